//! Which addresses outgoing requests may reach (design, invariant 7).
//!
//! In: a URL, or the addresses that a name resolved to. Out: yes, or a sentence why not. The same
//! rules serve at connect time ([`Egress::check_url`]) and right before each connection, after
//! name resolution, so that a name cannot be pointed elsewhere in between.
//!
//! Always: only what is globally reachable is let out, unless the operator allows more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// The operator's rules for outgoing requests. The default lets out to public addresses only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// Lets out to loopback, private and link-local addresses as well.
    pub allow_private: bool,
    /// Exceptions: these are let out although they are not public.
    pub allow: Vec<Exception>,
}

/// One exception of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exception {
    /// A host name, lower case; whatever it resolves to.
    Host(String),
    /// Addresses that share the first `prefix` bits.
    Net {
        /// An address of the net.
        address: IpAddr,
        /// Bits that count.
        prefix: u8,
    },
}

impl std::str::FromStr for Exception {
    type Err = String;

    /// Reads `host.example`, `10.1.2.3`, `10.0.0.0/8` or `fd00::/8`.
    fn from_str(text: &str) -> Result<Exception, String> {
        let (head, prefix) = match text.split_once('/') {
            Some((head, prefix)) => (head, Some(prefix)),
            None => (text, None),
        };
        if let Ok(address) = head.parse::<IpAddr>() {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let prefix = match prefix {
                None => bits,
                Some(p) => p
                    .parse::<u8>()
                    .ok()
                    .filter(|p| *p <= bits)
                    .ok_or_else(|| format!("`{text}`: the prefix must be a number from 0 to {bits}"))?,
            };
            return Ok(Exception::Net { address, prefix });
        }
        match (prefix, Host::parse(text)) {
            (None, Ok(Host::Domain(name))) => Ok(Exception::Host(name.trim_end_matches('.').to_ascii_lowercase())),
            _ => Err(format!("`{text}`: expected a host name, an address or a net such as 10.0.0.0/8")),
        }
    }
}

impl Egress {
    /// Rules that let out everywhere: for a laptop, the demo and tests.
    pub fn open() -> Egress {
        Egress { allow_private: true, allow: Vec::new() }
    }

    /// Whether a request to this URL could be let out. Names other than `localhost` are judged
    /// by their addresses when a connection is made.
    ///
    /// # Errors
    /// A sentence why not.
    pub fn check_url(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the scheme must be http or https, not {}", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL must not carry a user or a password".to_owned());
        }
        match url.host() {
            None => Err("the URL has no host".to_owned()),
            Some(Host::Ipv4(address)) => self.check_address("", IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => self.check_address("", IpAddr::V6(address)),
            Some(Host::Domain(name)) => {
                let plain = name.trim_end_matches('.');
                let local = plain == "localhost" || plain.ends_with(".localhost");
                let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                if local && loopback.iter().all(|address| self.check_address(plain, *address).is_err()) {
                    return Err(format!("egress refused: {plain} is this machine"));
                }
                Ok(())
            }
        }
    }

    /// Whether a connection to `address`, which `host` resolved to, is let out.
    ///
    /// # Errors
    /// A sentence why not.
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), String> {
        let Some(kind) = special(address) else { return Ok(()) };
        let never = matches!(kind, "multicast" | "unspecified" | "broadcast");
        if (self.allow_private && !never) || self.names(host) || self.holds(address) {
            return Ok(());
        }
        if host.is_empty() {
            return Err(format!("egress refused: {address} is {kind}"));
        }
        Err(format!("egress refused: {host} resolves to {address}, which is {kind}"))
    }

    fn names(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.allow.iter().any(|e| matches!(e, Exception::Host(name) if name.eq_ignore_ascii_case(host)))
    }

    fn holds(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        self.allow.iter().any(|e| match e {
            Exception::Net { address: net, prefix } => within(address, *net, *prefix) || within(plain, *net, *prefix),
            Exception::Host(_) => false,
        })
    }
}

fn within(address: IpAddr, net: IpAddr, prefix: u8) -> bool {
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        _ => false,
    }
}

/// What makes an address not globally reachable; none if it is.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        _ if address.is_unspecified() => Some("unspecified"),
        _ if address.is_broadcast() => Some("broadcast"),
        (127, ..) => Some("loopback"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("private"),
        (169, 254, _) => Some("link-local"),
        (100, 64..=127, _) => Some("carrier-grade NAT"),
        (224..=239, ..) => Some("multicast"),
        (0 | 240..=255, ..) | (192, 0, 0) | (192, 88, 99) | (198, 18 | 19, _) => Some("reserved"),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some("for documentation"),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let s = address.segments();
    let embedded = |high: u16, low: u16| special_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match s {
        _ if address.is_unspecified() => Some("unspecified"),
        _ if address.is_loopback() => Some("loopback"),
        _ if address.is_multicast() => Some("multicast"),
        // IPv4 in other clothes: mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        [0xfc00..=0xfdff, ..] => Some("unique-local"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("for documentation"),
        [0x2001, 0..=0x1ff, ..] => Some("reserved"),
        // Global unicast is 2000::/3; everything else is not assigned for it.
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("valid")
    }

    #[test]
    fn only_public_addresses_are_let_out() {
        let egress = Egress::default();
        for refused in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://172.31.255.255/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/",
            "http://100.127.255.255/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://240.0.0.1/",
            "http://198.18.0.1/",
            "http://192.0.2.1/",
            "http://[::]/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[fec0::1]/",
            "http://[ff02::1]/",
            "http://[2001::1]/",
            "http://[::7f00:1]/",
            "http://[2001:db8::1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost:8080/",
        ] {
            let said = egress.check_url(&url(refused));
            assert!(said.as_ref().is_err_and(|r| r.starts_with("egress refused: ")), "{refused}: {said:?}");
        }
        for let_out in [
            "https://example.com/",
            "http://93.184.216.34/",
            "http://172.32.0.1/",
            "http://100.128.0.1/",
            "http://[2606:2800:220:1:248:1893:25c8:1946]/",
            "http://[::ffff:93.184.216.34]/",
        ] {
            assert_eq!(egress.check_url(&url(let_out)), Ok(()), "{let_out}");
        }
    }

    #[test]
    fn other_schemes_and_credentials_are_refused() {
        assert!(Egress::open().check_url(&url("ftp://example.com/")).is_err());
        assert!(Egress::open().check_url(&url("file:///etc/passwd")).is_err());
        assert!(Egress::open().check_url(&url("https://a:b@example.com/")).is_err());
    }

    #[test]
    fn the_operator_can_allow_more() {
        let allow = ["10.0.0.0/8", "fd12::/16", "inner.example", "127.0.0.1", "localhost"];
        let allow = allow.iter().map(|t| t.parse().expect("valid")).collect();
        let egress = Egress { allow_private: false, allow };
        for let_out in [
            "http://10.9.9.9/",
            "http://[fd12:1::5]/",
            "http://127.0.0.1/",
            "http://localhost/",
            "http://[::ffff:10.1.1.1]/",
        ] {
            assert_eq!(egress.check_url(&url(let_out)), Ok(()), "{let_out}");
        }
        assert!(egress.check_url(&url("http://127.0.0.2/")).is_err());
        let private: IpAddr = "192.168.0.9".parse().expect("valid");
        assert_eq!(egress.check_address("INNER.example", private), Ok(()));
        assert!(egress.check_address("outer.example", private).is_err());
        assert_eq!(Egress::open().check_url(&url("http://127.0.0.1:1/")), Ok(()));
        assert!(Egress::open().check_url(&url("http://0.0.0.0/")).is_err());
        for bad in ["10.0.0.0/33", "10.0.0.0/x", "a b", "host/8", ""] {
            assert!(bad.parse::<Exception>().is_err(), "{bad}");
        }
        assert!("0.0.0.0/0".parse::<Exception>().is_ok());
    }
}
