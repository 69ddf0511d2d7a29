//! The keys directory: one master key, the keys derived from it, and the operator's token.
//!
//! `master.key` is 32 random bytes. Each use has a key of its own, HMAC-SHA256(master, label), so that
//! no text made for one use means anything to another. `admin.token` lets the operator's commands in.
//!
//! Always: both files are written whole (a new file, synced, renamed) with mode 0600. A key file that
//! others may read or write is refused. Losing `master.key` loses every sealed secret.

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const MASTER_FILE: &str = "master.key";
const ADMIN_FILE: &str = "admin.token";
const MASTER_LEN: usize = 32;
const SEALED_PREFIX: &str = "sealed:v1:";

/// Why the keys directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key file of another shape.
    #[error("{path}: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A key file that others can read or write.
    #[error("{path}: mode {mode:04o} lets others use this key; run `chmod 600` on it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Why a sealed text cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// It does not look like a sealed text.
    #[error("not a sealed text (`sealed:v1:…`)")]
    Shape,
    /// It was changed, or sealed by another master key.
    #[error("the sealed text was changed, or was sealed by another master key")]
    Refused,
}

/// The keys in memory.
pub struct Keyring {
    seal: LessSafeKey,
    token: hmac::Key,
    secret_hash: hmac::Key,
    admin: Secret,
    admin_check: hmac::Key,
}

impl Keyring {
    /// Opens the keys in `dir` (the `keys` directory itself), making what is missing.
    pub fn open_or_create(dir: &Path) -> Result<Keyring, KeyringError> {
        create_private_dir(dir)?;
        let master_path = dir.join(MASTER_FILE);
        let master = read_or_create(&master_path, || random::<MASTER_LEN>().to_vec())?;
        let master: [u8; MASTER_LEN] = master
            .try_into()
            .map_err(|_| KeyringError::Damaged { path: master_path, problem: "a master key has exactly 32 bytes" })?;
        let admin_path = dir.join(ADMIN_FILE);
        let admin = read_or_create(&admin_path, || URL_SAFE_NO_PAD.encode(random::<32>()).into_bytes())?;
        let admin =
            String::from_utf8(admin).ok().map(|text| text.trim().to_owned()).filter(|text| text.len() >= 32).ok_or(
                KeyringError::Damaged { path: admin_path, problem: "an admin token has at least 32 characters" },
            )?;
        Ok(Keyring::from_master(&master, Secret::new(admin)))
    }

    pub(crate) fn from_master(master: &[u8; MASTER_LEN], admin: Secret) -> Keyring {
        let master = hmac::Key::new(hmac::HMAC_SHA256, master);
        let derive = |label: &str| hmac::sign(&master, label.as_bytes());
        let hmac_key = |label: &str| hmac::Key::new(hmac::HMAC_SHA256, derive(label).as_ref());
        let seal = UnboundKey::new(&AES_256_GCM, derive("rivermouth/seal/1").as_ref())
            .expect("a SHA-256 tag has the 32 bytes of an AES-256 key");
        Keyring {
            seal: LessSafeKey::new(seal),
            token: hmac_key("rivermouth/token/1"),
            secret_hash: hmac_key("rivermouth/client-secret/1"),
            admin,
            admin_check: hmac_key("rivermouth/admin/1"),
        }
    }

    /// Seals a secret for a document: `sealed:v1:` and base64 of nonce, ciphertext and tag.
    pub fn seal(&self, secret: &str) -> String {
        let nonce = random::<NONCE_LEN>();
        let mut sealed = secret.as_bytes().to_vec();
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(SEALED_PREFIX), &mut sealed)
            .expect("a text in memory is far shorter than the limit of AES-GCM");
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        format!("{SEALED_PREFIX}{}", STANDARD.encode(bytes))
    }

    /// Opens what [`Keyring::seal`] made.
    pub fn unseal(&self, sealed: &str) -> Result<Secret, UnsealError> {
        let text = sealed.strip_prefix(SEALED_PREFIX).ok_or(UnsealError::Shape)?;
        let mut bytes = STANDARD.decode(text).map_err(|_| UnsealError::Shape)?;
        if bytes.len() < NONCE_LEN + AES_256_GCM.tag_len() {
            return Err(UnsealError::Shape);
        }
        let (nonce, sealed) = bytes.split_at_mut(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError::Shape)?;
        let plain =
            self.seal.open_in_place(nonce, Aad::from(SEALED_PREFIX), sealed).map_err(|_| UnsealError::Refused)?;
        String::from_utf8(plain.to_vec()).map(Secret::new).map_err(|_| UnsealError::Refused)
    }

    /// True for a text that [`Keyring::seal`] could have made.
    pub fn is_sealed(text: &str) -> bool {
        text.starts_with(SEALED_PREFIX)
    }

    /// The operator's token, to be sent by the operator's own commands.
    pub fn admin_token(&self) -> &Secret {
        &self.admin
    }

    /// True for the operator's token; takes the same time for every wrong one of a length.
    pub fn is_admin(&self, token: &str) -> bool {
        let given = hmac::sign(&self.admin_check, token.as_bytes());
        hmac::verify(&self.admin_check, self.admin.reveal().as_bytes(), given.as_ref()).is_ok()
    }

    pub(crate) fn sign_token(&self, text: &str) -> hmac::Tag {
        hmac::sign(&self.token, text.as_bytes())
    }

    pub(crate) fn token_signature_is_right(&self, text: &str, signature: &[u8]) -> bool {
        hmac::verify(&self.token, text.as_bytes(), signature).is_ok()
    }

    pub(crate) fn hash_client_secret(&self, client_id: &str, secret: &str) -> String {
        let tag = hmac::sign(&self.secret_hash, format!("{client_id}\0{secret}").as_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref())
    }

    pub(crate) fn client_secret_is_right(&self, client_id: &str, secret: &str, hash: &str) -> bool {
        let Ok(hash) = URL_SAFE_NO_PAD.decode(hash) else { return false };
        hmac::verify(&self.secret_hash, format!("{client_id}\0{secret}").as_bytes(), &hash).is_ok()
    }
}

/// Sixteen random bytes of the operating system: what `Caller::fresh` wants.
pub fn fresh() -> [u8; 16] {
    random()
}

fn random<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    SystemRandom::new().fill(&mut out).expect("the operating system has a random source");
    out
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> KeyringError + '_ {
    move |source| KeyringError::Io { path: path.to_owned(), source }
}

fn create_private_dir(dir: &Path) -> Result<(), KeyringError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(io_error(dir))
}

fn read_or_create(path: &Path, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, KeyringError> {
    match fs::read(path) {
        Ok(bytes) => {
            check_mode(path)?;
            Ok(bytes)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let bytes = make();
            write_private(path, &bytes).map_err(io_error(path))?;
            Ok(bytes)
        }
        Err(e) => Err(io_error(path)(e)),
    }
}

/// Group access is left to the operator: container volumes often need it.
#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), KeyringError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map_err(io_error(path))?.permissions().mode() & 0o777;
    if mode & 0o007 == 0 { Ok(()) } else { Err(KeyringError::Exposed { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<(), KeyringError> {
    Ok(())
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(dir) => fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        Keyring::from_master(&[7; 32], Secret::new("an admin token of some length…"))
    }

    #[test]
    fn what_is_sealed_opens_and_no_two_seals_are_equal() {
        let keys = keyring();
        for secret in ["", "s3cret", "ключ 🔑"] {
            let (a, b) = (keys.seal(secret), keys.seal(secret));
            assert_ne!(a, b);
            assert!(Keyring::is_sealed(&a) && !a.contains("s3cret"));
            assert_eq!(keys.unseal(&a).expect("ours").reveal(), secret);
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let keys = keyring();
        let sealed = keys.seal("s3cret");
        let bytes = STANDARD.decode(&sealed[SEALED_PREFIX.len()..]).expect("base64");
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 1;
            let text = format!("{SEALED_PREFIX}{}", STANDARD.encode(changed));
            assert_eq!(keys.unseal(&text), Err(UnsealError::Refused), "byte {i}");
        }
        let other = Keyring::from_master(&[8; 32], Secret::new("x"));
        assert_eq!(other.unseal(&sealed), Err(UnsealError::Refused));
        for text in ["", "s3cret", "sealed:v1:", "sealed:v1:%%%", "sealed:v1:AAAA", "sealed:v2:AAAA"] {
            assert_eq!(keys.unseal(text), Err(UnsealError::Shape), "{text}");
        }
    }

    #[test]
    fn secrets_hide_in_debug() {
        assert_eq!(format!("{:?}", Secret::new("s3cret")), "Secret(…)");
    }

    #[test]
    fn keys_are_made_once_and_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let keys_dir = dir.path().join("data/keys");
        let first = Keyring::open_or_create(&keys_dir).expect("made");
        let sealed = first.seal("s3cret");
        let again = Keyring::open_or_create(&keys_dir).expect("opened");
        assert_eq!(again.unseal(&sealed).expect("same key").reveal(), "s3cret");
        assert!(again.is_admin(first.admin_token().reveal()));
        assert!(!again.is_admin("") && !again.is_admin(&format!("{}x", first.admin_token().reveal())));
    }

    #[test]
    fn a_damaged_key_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        write_private(&dir.path().join(MASTER_FILE), b"short").expect("written");
        assert!(matches!(Keyring::open_or_create(dir.path()), Err(KeyringError::Damaged { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn key_files_are_private_and_must_stay_so() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        Keyring::open_or_create(dir.path()).expect("made");
        for name in [MASTER_FILE, ADMIN_FILE] {
            let path = dir.path().join(name);
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).expect("set");
            assert!(matches!(Keyring::open_or_create(dir.path()), Err(KeyringError::Exposed { mode: 0o604, .. })));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        }
    }
}
