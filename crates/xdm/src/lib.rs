//! xdm
