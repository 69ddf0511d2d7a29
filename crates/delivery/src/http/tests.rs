//! Tests of name resolution under the egress rules.

use super::*;
use crate::pace::Signal;
use reqwest::Method;

/// Every name has these addresses.
struct Fixed(Vec<IpAddr>);

impl Lookup for Fixed {
    fn lookup(&self, _name: String) -> LookupFuture {
        let addresses = self.0.clone();
        Box::pin(async move { Ok(addresses) })
    }
}

async fn status(egress: &Egress, addresses: &[&str], port: u16) -> Result<u16, Failure> {
    let addresses = addresses.iter().map(|a| a.parse().expect("an address")).collect();
    let client = client(egress, Arc::new(Fixed(addresses))).expect("a client");
    let url = format!("http://rebound.example:{port}/").parse().expect("a URL");
    let request = Request::new(Method::POST, url);
    let clock = Clock::system();
    send(&client, egress, &clock, request, Duration::from_secs(2)).await.map(|answer| answer.status.as_u16())
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_refused() {
    let running = receiver::serve(receiver::Options::default()).await.expect("started");
    let port = running.addr.port();
    for addresses in [&["127.0.0.1"][..], &["::1"], &["10.0.0.1", "127.0.0.1"], &["::ffff:127.0.0.1"]] {
        let failure = status(&Egress::default(), addresses, port).await.expect_err("refused");
        assert!(failure.reason.starts_with("egress refused: rebound.example resolves to "), "{failure:?}");
        assert!(!failure.retry && failure.class == Class::Configuration && failure.signal == Signal::Nothing);
    }
    assert_eq!(running.counts().requests, 0);
    let named = Egress { allow_private: false, allow: vec!["rebound.example".parse().expect("a name")] };
    assert_eq!(status(&named, &["127.0.0.1"], port).await.expect("let out"), 200);
    let net = Egress { allow_private: false, allow: vec!["127.0.0.0/8".parse().expect("a net")] };
    // The refused address of the two is never tried.
    assert_eq!(status(&net, &["10.255.255.1", "127.0.0.1"], port).await.expect("let out"), 200);
}

#[tokio::test]
async fn a_name_without_addresses_is_a_broken_connection() {
    let failure = status(&Egress::default(), &[], 80).await.expect_err("nothing there");
    assert!(failure.retry && failure.class == Class::Transport, "{failure:?}");
}
