//! Tests over raw connections.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends one request and reads all of the answer.
async fn ask(running: &Running, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(running.addr).await.expect("listening");
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    // A closed connection may also end with an error.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn records_counts_and_keeps_the_last_body() {
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("received.jsonl");
    let options = Options { record: Some(file.clone()), keep_last: true, ..Options::default() };
    let running = serve(options).await.expect("started");
    for n in 1..=2 {
        let body = format!(r#"{{"n":{n},"identityMap":{{"Email":[{{"id":"a@b.example"}}]}}}}"#);
        let answer = ask(&running, "POST", "/in?x=1", "authorization: Bearer secret\r\n", &body).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let lines = std::fs::read_to_string(&file).expect("written");
    assert_eq!(lines.lines().count(), 2);
    assert!(!lines.contains("secret") && lines.contains("sha256:"));
    assert_eq!(running.records()[1].query.as_deref(), Some("x=1"));
    assert_eq!(running.counts().accepted, 2);
    let last = ask(&running, "GET", "/received/last?by=Email", "", "").await;
    assert!(last.contains(r#"{"a@b.example":{"n":2,"#), "{last}");
    assert!(ask(&running, "DELETE", "/received", "", "").await.starts_with("HTTP/1.1 204 "));
    assert!(ask(&running, "GET", "/received/count", "", "").await.contains(r#""requests":0"#));
}

#[tokio::test]
async fn follows_the_script_and_closes_connections() {
    let running = serve(Options { count_only: true, ..Options::default() }).await.expect("started");
    let script =
        r#"{"steps":[{"status":429,"retry_after":"7"},{"reset":true},{"status":302,"headers":{"location":"/x"}}]}"#;
    assert!(ask(&running, "PUT", "/script", "", script).await.starts_with("HTTP/1.1 204 "));
    assert!(ask(&running, "PUT", "/script", "", "{").await.starts_with("HTTP/1.1 400 "));
    let throttled = ask(&running, "POST", "/", "", "{}").await;
    assert!(throttled.starts_with("HTTP/1.1 429 ") && throttled.contains("retry-after: 7"), "{throttled}");
    assert_eq!(ask(&running, "POST", "/", "", "{}").await, "");
    assert!(ask(&running, "POST", "/", "", "{}").await.contains("location: /x"));
    assert!(ask(&running, "POST", "/", "", "{}").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(running.counts(), Counts { requests: 4, accepted: 1, accepted_bytes: 2 });
    assert!(running.records().is_empty());
}

#[tokio::test]
async fn tokens_are_asked_for_and_expire() {
    let clock = Clock::manual(model::Timestamp(0));
    let token = Some(crate::TokenOptions { expires_in_s: 10, ..crate::TokenOptions::default() });
    let options = Options { token, require_token: true, clock: clock.clone(), ..Options::default() };
    let running = serve(options).await.expect("started");
    assert!(ask(&running, "POST", "/", "", "{}").await.starts_with("HTTP/1.1 401 "));
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let wrong = "grant_type=client_credentials&client_id=receiver&client_secret=no";
    assert!(ask(&running, "POST", "/token", form, wrong).await.contains("invalid_client"));
    let right = "grant_type=client_credentials&client_id=receiver&client_secret=receiver-secret";
    let answer = ask(&running, "POST", "/token", form, right).await;
    let token = answer.split('"').find(|part| part.starts_with("token-")).expect("a token").to_owned();
    let bearer = format!("authorization: Bearer {token}\r\n");
    clock.advance(9_999).expect("manual");
    assert!(ask(&running, "POST", "/", &bearer, "{}").await.starts_with("HTTP/1.1 200 "));
    clock.advance(1).expect("manual");
    assert!(ask(&running, "POST", "/", &bearer, "{}").await.starts_with("HTTP/1.1 401 "));
    assert_eq!(running.token_requests().len(), 2);
}
