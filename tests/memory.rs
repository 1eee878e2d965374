//! The memory that the cache of certificates reports is the memory that it takes, counted by the
//! allocator.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![allow(unsafe_code, reason = "an allocator that counts")]

extern crate test_support as support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use support::certificate::{CertificateSpec, mint};
use support::der::{self, tlv};
use tls_client_auth::PeerCertificate;
use tls_client_auth::host::{CertificateHeader, CertificateMemory};
use tls_client_auth::inspect::pem;

struct Counting;

thread_local! {
    /// Octets that this thread has allocated and not freed, rounded as allocators do.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// The octets of an allocation, with one word of the allocator, and rounded to its granularity.
fn taken(layout: Layout) -> isize {
    (layout.size() + 8).next_multiple_of(16) as isize
}

// SAFETY: this is the allocator of the system, and a counter that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = HELD.try_with(|held| held.set(held.get() + taken(layout)));
        // SAFETY: the caller upholds the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = HELD.try_with(|held| held.set(held.get() - taken(layout)));
        // SAFETY: the caller upholds the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Certificates in PEM of each kind that takes much or little memory.
fn kinds() -> Vec<(&'static str, String)> {
    let attribute = |value: &[u8]| {
        let common_name = tlv(der::OBJECT_IDENTIFIER, &[[0x55, 4, 3]]);
        tlv(der::SET, &[tlv(der::SEQUENCE, &[common_name, tlv(der::UTF8_STRING, &[value])])])
    };
    let subject = |rdns: &[Vec<u8>]| CertificateSpec {
        subject_hex: Some(hex(&tlv(der::SEQUENCE, rdns))),
        ..CertificateSpec::default()
    };
    let names =
        CertificateSpec { san: Some(Vec::new()), san_filler: 3_000, ..CertificateSpec::default() };
    [
        ("an ordinary one", CertificateSpec::default()),
        ("thousands of RDNs", subject(&vec![attribute(b"x"); 4_000])),
        (
            "a long value that normalizes to a far longer one",
            subject(&[attribute("\u{fdfa}".repeat(15_000).as_bytes())]),
        ),
        ("a subject that cannot be compared", subject(&[attribute(b"\0")])),
        ("thousands of names", names),
        ("a large extension", CertificateSpec { filler: 60, ..CertificateSpec::default() }),
        (
            "no certificate at all",
            CertificateSpec { pem: Some("nonsense".to_owned()), ..CertificateSpec::default() },
        ),
    ]
    .map(|(kind, spec)| (kind, mint(&spec).expect("it can be minted").host_text))
    .into()
}

#[test]
fn the_reported_memory_is_what_is_taken() {
    for (kind, text) in kinds() {
        let mut memory = CertificateMemory::new();
        let before = HELD.get();
        let number = 20;
        for n in 0..number {
            let key = format!("{n:064}");
            let parsed = memory.recall_or(key.as_bytes(), || {
                PeerCertificate::from_pem(text.as_bytes()).map(Arc::new)
            });
            // A comparison must leave nothing allocated.
            let registered =
                tls_client_auth::DistinguishedName::parse("CN=client").expect("it is a name");
            let _ = parsed.map(|certificate| certificate.subject_difference(&registered).is_ok());
        }
        let held = (HELD.get() - before) as usize;
        let counted = memory.octets();
        assert!(held <= counted, "{kind}: {held} octets are held, {counted} counted");
        assert!(
            counted <= held + number * 400,
            "{kind}: {held} octets are held, {counted} counted"
        );
    }
}

/// The parsed form is the DER, so that a client cannot make the filter hold more than it sends.
#[test]
fn a_certificate_takes_little_more_than_its_der() {
    for (kind, text) in kinds() {
        let Ok(der) = pem::decode(text.as_bytes()).ok_or(kind) else { continue };
        let mut memory = CertificateMemory::new();
        let _ = memory.recall_or(b"key", || PeerCertificate::from_der(&der).map(Arc::new));
        assert!(
            memory.octets() < der.len() + 700,
            "{kind}: {} octets for {}",
            memory.octets(),
            der.len()
        );
    }
}

#[test]
fn keys_are_counted_too() {
    let (_, text) = kinds().swap_remove(0);
    let der = pem::decode(text.as_bytes()).expect("a certificate");
    let header = pem::encode_escaped(&der);
    let mut memory = CertificateMemory::new();
    let before = HELD.get();
    let read = memory.recall_or_read(CertificateHeader::Pem, header.as_bytes(), None);
    assert!(read.is_ok());
    let held = (HELD.get() - before) as usize;
    assert!(held <= memory.octets(), "{held} octets are held, {} counted", memory.octets());
}
