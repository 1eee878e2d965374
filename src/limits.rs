//! Every limit in one place, each with its reason: sizes, counts and times that no configuration
//! says, and the defaults and bounds of those that one can.
//!
//! A limit stands here if a change of it would change what is accepted, how much memory is taken,
//! or how long something takes. `./build.sh` reads [`MODULE_BYTES`] from this file.

use std::num::NonZeroUsize;
use std::time::Duration;

// The module.

/// Most bytes of the optimised module: each worker of a proxy holds its compiled code, and an
/// operator downloads it.
pub const MODULE_BYTES: usize = 760_000;

// Requests.

/// `max_body_bytes` where the configuration does not say it (contract §2): 64 KiB.
pub const DEFAULT_BODY_BYTES: usize = 65_536;
/// Largest `max_body_bytes`: Envoy buffers bodies in memory, and nothing that authenticates a
/// client needs more.
pub const LARGEST_BODY_BYTES: u64 = 16 << 20;
/// Most parameters of a form, empty ones counted (contract §7). PHP, qs and others drop, without a
/// word, what comes after a limit of their own, the lowest of which is 1,000: behind it they would
/// read another request than this filter.
pub const FORM_PARAMETERS: usize = 256;
/// Malformed names in a query string before it counts as a mismatch: each takes several readings,
/// and no client sends more than a slip.
pub const MALFORMED_QUERY_NAMES: usize = 64;
/// Most octets of the spellings of a path that are followed. A hostile path has far more, at
/// milliseconds for each.
pub const PATH_SPELLING_OCTETS: usize = 1 << 14;
/// Paths longer than this are first searched for the words of an endpoint, in octets.
pub const LONG_PATH_OCTETS: usize = 1 << 10;
/// Text of a path that is still escaped after so many decodings is meant to be hard to follow.
pub const PATH_DECODINGS: usize = 8;
/// Longest last segment of a path that may resemble an endpoint, in octets: a longer one is no
/// endpoint's name, and a client can make it long.
pub const LOOKALIKE_SEGMENT_OCTETS: usize = 256;
/// Most paths about which a worker says that an ungated form looks like a gated one: paths are the
/// client's to choose.
pub const LOOKALIKE_PATHS: usize = 100;

// Certificates.

/// Most octets of a header that carries a certificate: room for a leaf and a chain of large keys,
/// and less than what Envoy lets all headers together take.
pub const CERTIFICATE_HEADER_OCTETS: usize = 48 << 10;
/// Most hops that `x-forwarded-client-cert` may have an element of: each costs the reading of a
/// certificate.
pub const FORWARDED_ELEMENTS: usize = 8;
/// Most certificates that a worker remembers. One takes about 1.5 kB, so this is some 1.5 MB in
/// each worker.
pub const REMEMBERED_CERTIFICATES: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Most octets of memory that they take; binding when clients send certificates of tens of
/// kilobytes.
pub const REMEMBERED_CERTIFICATE_OCTETS: usize = 4 << 20;
/// Characters of one value of a name that vanish, or are blanks beside others, without which it is
/// too long to be compared.
pub const MEANINGLESS_CHARACTERS: usize = 8_192;

// Logs and filter state.

/// Most bytes of anything that a client chose, in logs and filter state (contract §8).
pub const LOGGED_BYTES: usize = 128;
/// Most characters of the detail in a decision line: names of certificates are text that somebody
/// else chose.
pub const DETAIL_CHARACTERS: usize = 512;
/// Most decision lines of a worker in a second (contract §8); the rest is counted.
pub const LINES_PER_SECOND: u32 = 10;
/// Alternative names of a certificate that a detail shows.
pub const SHOWN_NAMES: usize = 4;
/// Entries of a certificate, of whatever type, among which a detail looks for them.
pub const SEARCHED_NAMES: usize = 1_000;
/// Keys of a JWK Set of which an error says what is wrong with them.
pub const SHOWN_KEYS: usize = 8;
/// Entries of a fetched list of which the log says why they are refused; the rest is counted.
pub const SHOWN_REFUSALS: usize = 10;
/// Clients that came, went or changed with a new list and that the log names.
pub const SHOWN_CHANGES: usize = 10;

// Configuration.

/// Fewest characters before the `*` of `forward.strip`: fewer would take away headers that no
/// operator thought of.
pub const STRIP_PREFIX_CHARACTERS: usize = 4;
/// Longest duration in a configuration: ten years.
pub const LONGEST_DURATION: Duration = Duration::from_secs(10 * 365 * 86_400);
/// `registry.max_bytes` where the configuration does not say it: Envoy itself cuts an answer at 32
/// MiB unless its runtime says otherwise.
pub const DEFAULT_ANSWER_BYTES: u64 = 32 << 20;
/// Largest `registry.max_bytes`: a VM of 32 bits has to hold a page and more.
pub const LARGEST_ANSWER_BYTES: u64 = 256 << 20;
/// `registry.refresh` where the configuration does not say it (contract §6).
pub const DEFAULT_REFRESH: Duration = Duration::from_secs(60);
/// `registry.timeout` where the configuration does not say it (contract §6).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time-out that a host is asked for: Envoy takes milliseconds in 32 bits.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// `registry.max_stale` where the configuration does not say it (contract §6).
pub const DEFAULT_MAX_STALE: Duration = Duration::from_secs(24 * 3600);
/// `registry.max_pages` where the configuration does not say it (contract §6).
pub const DEFAULT_PAGES: u64 = 1000;
/// Largest `registry.max_pages`.
pub const LARGEST_PAGES: u64 = 1_000_000;
/// `registry.cache_entries` where the configuration does not say it (contract §6).
pub const DEFAULT_CACHE_ENTRIES: u64 = 10_000;
/// Largest `registry.cache_entries`: a VM of 32 bits can hold no more.
pub const LARGEST_CACHE_ENTRIES: u64 = 10_000_000;

// Lookups of single clients.

/// Longest identifier that is looked up, in octets: no server gives longer ones, and Envoy would
/// not send them.
pub const LOOKUP_ID_OCTETS: usize = 1024;
/// For how long "not found" counts at most (contract §6), in milliseconds.
pub const LONGEST_ABSENCE_MILLIS: u64 = 10_000;
/// Most identifiers held that the registry does not have: anybody can ask for them.
pub const ABSENT_CLIENTS: usize = 1024;
/// For how long a client that serves after a failure is not asked for again, in milliseconds: where
/// a registry does not answer, not every request must wait for its time-out.
pub const PAUSE_AFTER_FAILURE_MILLIS: u64 = 5_000;

// Fetched lists.

/// How many objects and arrays deep the identifier of an unknown entry is looked for: in Okta's
/// list it is `credentials.oauthClient.client_id`.
pub const IDENTIFIER_DEPTH: usize = 4;
/// Entries that are asked for in a further page of Authlete's list (contract §6).
pub const AUTHLETE_PAGE_ENTRIES: u64 = 500;
/// An empty list in place of so many clients is more likely a mistake than the truth (contract §6).
pub const CLIENTS_NOT_LOST_AT_ONCE: u64 = 10;
/// How often the pages of a list that changes between them are read; then the attempt failed
/// (contract §6).
pub const READINGS: u32 = 3;
/// So many answers "not modified" in a row count: a registry may give them for ever by mistake.
pub const UNMODIFIED_ANSWERS: u8 = 9;
/// The first attempt after a failed one, doubled each time.
pub const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest of them.
pub const LATEST_RETRY: Duration = Duration::from_secs(30);
/// The host calls back after its time-out; so much later it will not any more.
pub const CALL_BACK_GRACE: Duration = Duration::from_secs(5);
/// How long a VM whose host does not call back leaves the lease to the others.
pub const STAND_BACK: Duration = Duration::from_secs(60);
/// Without a sign of life for so long, the holder of a lease counts as dead. A VM ticks at least
/// four times a second.
pub const LEASE_SILENCE: Duration = Duration::from_secs(2);
/// How often the holder of a lease gives a sign of life.
pub const LEASE_BEAT: Duration = Duration::from_millis(500);
/// Most shards of a list. A shared-data table of so many keys is filled in some 20 ms; with a
/// million clients a shard has about 60 of them, so that the one that a request needs is copied in
/// a few microseconds.
pub const SHARDS: u32 = 1 << 14;
/// Clients in a shard, where the length of the list is known before its first shard is written.
pub const CLIENTS_IN_SHARD: u32 = 64;
/// Most clients that are gathered before they are added to their shards.
pub const GATHERED_CLIENTS: usize = 1 << 16;
/// Most octets of them.
pub const GATHERED_OCTETS: usize = 8 << 20;
/// Most clients that one VM remembers parsed; the others are read again. One takes about 500
/// octets.
pub const REMEMBERED_CLIENTS: NonZeroUsize = NonZeroUsize::new(2048).expect("not zero");
/// A tick may come late, on a thread that has more to do; so many periods later, it is the clock
/// that jumped.
pub const LATE_PERIODS: u32 = 10;

// Ticks of a host.

/// How often shared data is looked at, where `refresh` is not short.
pub const REGISTRY_TICK: Duration = Duration::from_millis(250);
/// The same while there is no list, or a lookup may have lost the request that asked.
pub const REGISTRY_TICK_SOON: Duration = Duration::from_millis(50);
/// The same while there is a list to be read.
pub const REGISTRY_TICK_BUSY: Duration = Duration::from_millis(2);
/// For how long one tick works on a list. Requests of the same worker wait as long.
pub const TICK_SLICE: Duration = Duration::from_micros(500);
/// How often held requests are looked at, until a body was delivered while headers were held.
pub const HELD_HEADERS_TICK: Duration = Duration::from_millis(500);
/// Bytes must have waited for so long before they count as withheld: a filter before this one may
/// hold a body for a moment.
pub const WITHHELD: Duration = Duration::from_millis(1500);
