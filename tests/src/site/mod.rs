//! Test machines: namespaces over a minimal Debian, with systemd as pid 1.
