//! Receivers that do not speak HTTP well.

use crate::world::{World, attempts, reason};
use delivery::{Destination, Outcome, RetryPolicy};
use receiver::Options;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers every connection with these bytes, then `more` again and again, then closes.
async fn answering(head: &'static [u8], more: &'static [u8], times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(head).await;
            for _ in 0..times {
                if stream.write_all(more).await.is_err() {
                    break;
                }
            }
        }
    });
    url
}

async fn outcome(url: String) -> Outcome {
    let world = World::new(Options::default()).await;
    world.connect(Destination {
        retry: RetryPolicy::Aep,
        timeout: Duration::from_millis(300),
        ..Destination::new(url.parse().expect("a URL"))
    });
    world.export(1, 1);
    world.drive(1).await;
    world.outcome(1, 1)
}

#[tokio::test]
async fn the_status_decides_whatever_follows_it() {
    let lies = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b"short", 1).await;
    assert!(matches!(outcome(lies).await, Outcome::Delivered { attempts: 1, .. }));
    let endless = answering(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 65_536], 100_000).await;
    assert!(matches!(outcome(endless).await, Outcome::Delivered { attempts: 1, .. }));
}

#[tokio::test]
async fn what_is_no_answer_is_a_broken_connection() {
    for bytes in
        [&b"SSH-2.0-OpenSSH_9.6\r\n"[..], b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", b"\0\0\0\0"]
    {
        let outcome = outcome(answering(bytes, b"", 0).await).await;
        assert_eq!(attempts(&outcome), 3, "{outcome:?}");
        assert!(!reason(&outcome).contains("127.0.0.1"), "{outcome:?}");
    }
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/secret-path", listener.local_addr().expect("an address"));
    drop(listener);
    let outcome = outcome(url).await;
    assert_eq!(attempts(&outcome), 3);
    assert!(reason(&outcome).contains("refused") && !reason(&outcome).contains("secret-path"), "{outcome:?}");
}
