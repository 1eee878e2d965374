//! Every limit, each with its reason: the sizes, counts and times that are fixed, and the defaults
//! and bounds of those that a configuration can set.
//!
//! A limit belongs here if a change of it changes which requests are accepted, how much memory is
//! used, or how long something takes. `./build.sh` reads [`MODULE_BYTES`] and
//! [`RESPONSES_MODULE_BYTES`] from this file.

use std::num::NonZeroUsize;
use std::time::Duration;

// The module.

/// Largest size of the optimised module, in bytes. Each worker of a proxy holds its compiled code,
/// and operators download it.
pub const MODULE_BYTES: usize = 1_135_000;
/// The same of `tls_client_auth_responses.wasm`, which reads responses too.
pub const RESPONSES_MODULE_BYTES: usize = 1_181_500;

// Requests.

/// Default of `max_body_bytes` (contract §2): 64 KiB.
pub const DEFAULT_BODY_BYTES: usize = 65_536;
/// Largest `max_body_bytes`. Envoy buffers bodies in memory, and no request that authenticates a
/// client needs more.
pub const LARGEST_BODY_BYTES: u64 = 16 << 20;
/// Most parameters of a form, with empty ones (contract §7). PHP, qs and others silently drop all
/// parameters above a limit of their own, of which the lowest is 1,000, and would read another
/// request than the filter.
pub const FORM_PARAMETERS: usize = 256;
/// Most malformed names in a query string. Above that it counts as one with a credential: each name
/// takes several readings, and a real client sends hardly any.
pub const MALFORMED_QUERY_NAMES: usize = 64;
/// Most octets of all spellings of a path that are followed. A hostile path has far more, and would
/// take milliseconds.
pub const PATH_SPELLING_OCTETS: usize = 1 << 14;
/// Longest path, in octets, whose spellings are followed at once. A longer one is first searched
/// for the segments of an endpoint.
pub const LONG_PATH_OCTETS: usize = 1 << 10;
/// Most decodings of a path. One that is still escaped then is gated, because it was made to be
/// hard to follow.
pub const PATH_DECODINGS: usize = 8;
/// The end of a path, in octets, in which the last segment may resemble an endpoint. No endpoint
/// has a longer name, and a client can send one of any length.
pub const LOOKALIKE_SEGMENT_OCTETS: usize = 256;
/// Most paths of which a worker reports that an ungated form resembles a gated one. Clients choose
/// paths, so that the log must be bounded.
pub const LOOKALIKE_PATHS: usize = 100;

// Certificates.

/// Longest header that carries a certificate, in octets: room for a leaf and a chain with large
/// keys, and less than what Envoy allows for all headers together.
pub const CERTIFICATE_HEADER_OCTETS: usize = 48 << 10;
/// Most elements of `x-forwarded-client-cert`, one for each hop. Each costs the reading of a
/// certificate.
pub const FORWARDED_ELEMENTS: usize = 8;
/// Most certificates in the cache of a worker. One takes about 1.5 kB, so that they take some 1.5
/// MB in each worker.
pub const REMEMBERED_CERTIFICATES: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Most memory that they take, in octets. It is reached where clients send certificates of tens of
/// kilobytes.
pub const REMEMBERED_CERTIFICATE_OCTETS: usize = 4 << 20;
/// Most characters of a value in a name that preparation drops, or that are repeated blanks. A
/// value with more matches nothing.
pub const MEANINGLESS_CHARACTERS: usize = 8_192;

// Trust beyond the handshake (contract §9).

/// Fewest bits of an RSA key whose signatures count (contract §9).
pub const SMALLEST_RSA_BITS: usize = 2048;
/// Most bits of an RSA key whose signatures count. Larger ones take milliseconds.
pub const LARGEST_RSA_BITS: usize = 8192;
/// Most bits of an RSA key whose RSASSA-PSS signatures count: this crate computes them, in a few
/// milliseconds at this length.
pub const LARGEST_PSS_BITS: usize = 4096;

/// Most `trust_anchors` of one client. A list may have a million clients.
pub const CLIENT_ANCHORS: usize = 32;
/// Most certificates of a chain that a client sent which are read: its leaf, and more issuers than
/// the path of any real one has.
pub const OFFERED_CHAIN: usize = 8;
/// Longest certificate of which the other encoding is computed, in octets. No CA issues longer
/// ones, and whoever may present an untrusted one chooses its length.
pub const ENCODED_OCTETS: usize = 1 << 16;
/// Most CAs with one subject of such a chain that are tried.
pub const OFFERED_OF_ONE_NAME: usize = 2;
/// Most signatures that are computed for one certificate, which is more than the path of any real
/// one has. Whoever may present an untrusted certificate chooses it, and a signature by a P-384 key
/// takes a millisecond.
pub const PATH_SIGNATURES: u32 = 16;

// Logs and filter state.

/// Longest text that a client chose in logs and filter state, in bytes (contract §8).
pub const LOGGED_BYTES: usize = 128;
/// Longest detail of a decision line, in characters. It may contain names of certificates, which
/// their issuers chose.
pub const DETAIL_CHARACTERS: usize = 512;
/// Longest line that is given to a host's log, in bytes. A registry chooses parts of some lines.
pub const LINE_BYTES: usize = 4096;
/// Most decision lines of a worker in a second (contract §8). The others are counted.
pub const LINES_PER_SECOND: u32 = 10;
/// Most alternative names of a certificate in a detail.
pub const SHOWN_NAMES: usize = 4;
/// Most entries of a certificate, of any type, that are searched for them.
pub const SEARCHED_NAMES: usize = 1_000;
/// Most unusable keys of a JWK Set that an error describes.
pub const SHOWN_KEYS: usize = 8;
/// Most refused entries of a fetched list that the log describes. The others are counted.
pub const SHOWN_REFUSALS: usize = 10;
/// Most identifiers of one entry that cannot be used with which the reason is stored.
pub const EXPLAINED_IDENTIFIERS: usize = 4;
/// Most clients that a new list added, removed or changed and that the log names.
pub const SHOWN_CHANGES: usize = 10;

// Configuration.

/// Fewest characters before the `*` of `forward.strip`. With fewer, headers would be stripped that
/// the operator did not think of.
pub const STRIP_PREFIX_CHARACTERS: usize = 4;
/// Longest duration in a configuration: ten years.
pub const LONGEST_DURATION: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Default of `registry.max_bytes`. Envoy itself cuts an answer at 32 MiB, unless its runtime is
/// configured otherwise.
pub const DEFAULT_ANSWER_BYTES: u64 = 32 << 20;
/// Largest `registry.max_bytes`. A VM of 32 bits must hold a page and more.
pub const LARGEST_ANSWER_BYTES: u64 = 256 << 20;
/// Default of `registry.refresh` (contract §6).
pub const DEFAULT_REFRESH: Duration = Duration::from_secs(60);
/// Default of `registry.timeout` (contract §6).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time-out of a request to a registry. Envoy takes milliseconds in 32 bits.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// Default of `registry.max_stale` (contract §6).
pub const DEFAULT_MAX_STALE: Duration = Duration::from_secs(24 * 3600);
/// Default of `registry.max_pages` (contract §6).
pub const DEFAULT_PAGES: u64 = 1000;
/// Largest `registry.max_pages`.
pub const LARGEST_PAGES: u64 = 1_000_000;
/// Default of `registry.cache_entries` (contract §6).
pub const DEFAULT_CACHE_ENTRIES: u64 = 10_000;
/// Largest `registry.cache_entries`. A VM of 32 bits can hold no more.
pub const LARGEST_CACHE_ENTRIES: u64 = 10_000_000;

// Lookups of single clients.

/// Longest identifier that is looked up, in octets. No server issues longer ones, and Envoy would
/// not send them.
pub const LOOKUP_ID_OCTETS: usize = 1024;
/// Longest time for which "not found" is cached (contract §6), in milliseconds.
pub const LONGEST_ABSENCE_MILLIS: u64 = 10_000;
/// Most cached identifiers that the registry does not have. A client can ask for any number.
pub const ABSENT_CLIENTS: usize = 1024;
/// Time for which a cached client is used without a new lookup after one failed, in milliseconds.
/// Where a registry does not answer, only some requests wait for its time-out.
pub const PAUSE_AFTER_FAILURE_MILLIS: u64 = 5_000;

// Lookups of clients that a list lacks (`on_miss`, contract §6).

/// Longest identifier that is asked for, in octets. The others are unregistered.
pub const ON_MISS_ID_OCTETS: usize = 255;
/// Most such lookups of a worker that are not answered. Anyone can send unregistered identifiers,
/// and the registry must not suffer from it.
pub const ON_MISS_LOOKUPS: usize = 20;
/// Time in which a worker asks for a client once, in milliseconds.
pub const ON_MISS_PAUSE_MILLIS: u64 = 10_000;
/// Most identifiers whose last lookup is remembered. While all of them were asked for within the
/// pause, no further one is, so that no client is asked for twice.
pub const ASKED_ON_MISS: usize = 1 << 14;
/// Most clients that were found and that no list has yet.
pub const FOUND_ON_MISS: usize = 10_000;

// Key sets of clients (`jwks_uri`, contract §6).

/// Longest `jwks_uri`, in octets.
pub const JWKS_URI_OCTETS: usize = 2048;
/// Default of `jwks_uri.refresh`.
pub const DEFAULT_KEY_SET_REFRESH: Duration = Duration::from_secs(3600);
/// Default of `jwks_uri.max_bytes`: a JWK Set of a client has a few keys.
pub const DEFAULT_KEY_SET_BYTES: u64 = 65_536;
/// Largest `jwks_uri.max_bytes`. A set is read at once.
pub const LARGEST_KEY_SET_BYTES: u64 = 1 << 20;
/// Default of `jwks_uri.cache_entries`.
pub const DEFAULT_KEY_SETS: u64 = 1000;
/// Time in which a set is asked for once because of a certificate that it lacks, in milliseconds.
pub const KEY_SET_PAUSE_MILLIS: u64 = 30_000;

// Revocation (contract §9).

/// Default of `refresh` of a CRL. CAs issue one every few hours or days, some at once where they
/// revoke.
pub const DEFAULT_CRL_REFRESH: Duration = Duration::from_secs(3600);
/// Default of `timeout` of a CRL, which may have megabytes.
pub const DEFAULT_CRL_TIMEOUT: Duration = Duration::from_secs(30);
/// Default of `ocsp.timeout`.
pub const DEFAULT_OCSP_TIMEOUT: Duration = Duration::from_secs(2);
/// Default of `ocsp.max_age`.
pub const DEFAULT_OCSP_MAX_AGE: Duration = Duration::from_secs(3600);
/// Largest CRL, in bytes. Envoy itself cuts an answer there, unless its runtime is configured
/// otherwise.
pub const LARGEST_CRL_BYTES: usize = 32 << 20;
/// Largest answer of an OCSP responder, in bytes: some certificates of a few kilobytes.
pub const LARGEST_OCSP_BYTES: usize = 64 << 10;
/// How far a CRL or an OCSP answer may be of the future, in seconds: clocks differ.
pub const CLOCK_SKEW_SECONDS: i64 = 300;
/// Longest time until a retry where a CRL cannot be fetched or used, if `refresh` is not shorter.
/// Its `nextUpdate` may be near or past, and clients refused until the CA is back; one request in
/// five minutes of each process is no load for it.
pub const LATEST_CRL_RETRY: Duration = Duration::from_secs(300);
/// Most entries of a CRL that are read without a look at the clock.
pub const CRL_ENTRIES_AT_ONCE: usize = 256;
/// Most extensions of a CRL. Real ones have three or four, and they are compared with each other
/// before the signature is verified.
pub const CRL_EXTENSIONS: usize = 64;
/// Longest object identifier of an extension of a CRL, in octets, for the same reason. Real ones
/// have some ten.
pub const CRL_OID_OCTETS: usize = 64;
/// Most names of the distribution point of a CRL. Real ones have one or two. They are copied before
/// the signature is verified, and whoever is on the way can send ten million in 32 MiB.
pub const CRL_POINT_NAMES: usize = 64;
/// Longest `Name` of the issuer of a CRL, in octets, for the same reason. It is that of a
/// certificate, of which none is longer.
pub const CRL_ISSUER_OCTETS: usize = 1 << 16;
/// Most octets of a CRL in PEM that are decoded without a look at the clock.
pub const CRL_PEM_OCTETS_AT_ONCE: usize = 1 << 16;
/// Octets of a CRL's entries for each bucket of serial numbers: about a hundred entries.
pub const CRL_BUCKET_OCTETS: usize = 4096;
/// Most buckets of a CRL.
pub const CRL_BUCKETS: usize = 4096;
/// Most certificates whose issuer is remembered, and most OCSP answers that are.
pub const REMEMBERED_ISSUERS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Most certificates of an OCSP answer that are searched for that of the responder.
pub const OCSP_CERTIFICATES: usize = 8;
/// Longest URI of an OCSP responder, in octets.
pub const RESPONDER_URI_OCTETS: usize = 2048;
// Introspection of access tokens (`bound_tokens`, contract §10).

/// Default of `introspection.cache`: so long a token may be used that was revoked.
pub const DEFAULT_INTROSPECTION_CACHE: Duration = Duration::from_secs(30);
/// Largest answer about a token, in bytes. It is read at once.
pub const INTROSPECTION_BYTES: usize = 65_536;
/// Most active tokens about which an answer is held. One takes about 150 octets.
pub const ACTIVE_TOKENS: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// Most other tokens about which an answer is held. Anyone can send them, and they must not
/// displace active ones.
pub const INACTIVE_TOKENS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Longest time for which a token counts as not active without a new question, in milliseconds. A
/// server of several nodes may know a new token a moment later.
pub const LONGEST_INACTIVITY_MILLIS: u64 = 10_000;
/// Most questions of a worker about tokens that are not answered. Anyone can send tokens, and the
/// server must not suffer from it.
pub const INTROSPECTIONS: usize = 200;
/// So many more about tokens that were active when they were last asked about: whoever sends tokens
/// that are none does not keep others out.
pub const INTROSPECTIONS_OF_ACTIVE_TOKENS: usize = 100;

// Responses of the backend (`response_check` and `discovery`, contract §10, §14).

/// Largest response whose access token is checked (contract §10): 256 KiB. Envoy buffers it, and by
/// default at most 1 MiB.
pub const TOKEN_RESPONSE_BYTES: usize = 256 << 10;
/// Largest metadata that is edited (contract §14): 64 KiB. That of real servers has some 10 kB.
pub const METADATA_BYTES: usize = 64 << 10;
/// Most lines of a worker about metadata that was not edited. There is one for each path and
/// reason, and with patterns clients choose the paths.
pub const UNTOUCHED_METADATA: usize = 100;
/// Time after which the body of a held response counts as withheld, while it is not known whether
/// the host delivers bodies of held headers. A backend may pause between headers and body.
pub const RESPONSE_WITHHELD: Duration = Duration::from_secs(5);

/// How many arrays and objects may be in each other in JSON: as many as `serde_json` reads.
pub const JSON_DEPTH: usize = 127;

// Fetched lists.

/// How many objects and arrays deep the identifier of an entry in an unknown format is searched. In
/// Okta's list it is `credentials.oauthClient.client_id`.
pub const IDENTIFIER_DEPTH: usize = 4;
/// Identifiers that are taken from an entry that cannot be used; with more of them it may concern
/// any client. They are compared with each other.
pub const ENTRY_IDENTIFIERS: usize = 256;
/// Entries of each further page of Authlete's list (contract §6).
pub const AUTHLETE_PAGE_ENTRIES: u64 = 500;
/// An empty list that replaces at least so many clients is refused, because it is more likely a
/// mistake (contract §6).
pub const CLIENTS_NOT_LOST_AT_ONCE: u64 = 10;
/// How often a list is read that changes between its pages. Then the attempt fails (contract §6).
pub const READINGS: u32 = 3;
/// Most answers "not modified" in a row that are accepted. A faulty registry may send them forever.
pub const UNMODIFIED_ANSWERS: u8 = 9;
/// Time until the first retry of a failed attempt, doubled for each further one.
pub const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Longest time until a retry.
pub const LATEST_RETRY: Duration = Duration::from_secs(30);
/// Time after its time-out at which a call without a callback of the host counts as lost.
pub const CALL_BACK_GRACE: Duration = Duration::from_secs(5);
/// Time for which a VM whose host does not call back leaves the lease to the others.
pub const STAND_BACK: Duration = Duration::from_secs(60);
/// Time after the last heartbeat at which the holder of a lease counts as dead. A VM ticks at least
/// four times a second.
pub const LEASE_SILENCE: Duration = Duration::from_secs(2);
/// Time between the heartbeats of the holder of a lease.
pub const LEASE_BEAT: Duration = Duration::from_millis(500);
/// Most shards of a list. A shared-data table with so many keys is filled in some 20 ms. Of a
/// million clients a shard has about 60, so that the shard of one client is copied in a few
/// microseconds.
pub const SHARDS: u32 = 1 << 14;
/// Clients in a shard, where the length of the list is known before its first shard is written.
pub const CLIENTS_IN_SHARD: u32 = 64;
/// Most clients that are collected before they are added to their shards.
pub const GATHERED_CLIENTS: usize = 1 << 16;
/// Most octets of these clients.
pub const GATHERED_OCTETS: usize = 8 << 20;
/// Most parsed clients in the cache of a VM. One takes about 500 octets.
pub const REMEMBERED_CLIENTS: NonZeroUsize = NonZeroUsize::new(2048).expect("not zero");
/// A tick may be late, on a busy thread. After so many periods without one, the clock has jumped.
pub const LATE_PERIODS: u32 = 10;

// Ticks of a host.

/// Time between two ticks at which a VM reads shared data, where `refresh` is not shorter.
pub const REGISTRY_TICK: Duration = Duration::from_millis(250);
/// The same while there is no list, or while a lookup may have lost the request that started it.
pub const REGISTRY_TICK_SOON: Duration = Duration::from_millis(50);
/// The same while a list is read.
pub const REGISTRY_TICK_BUSY: Duration = Duration::from_millis(2);
/// Time that one tick works on a list. Requests of the same worker wait for as long.
pub const TICK_SLICE: Duration = Duration::from_micros(500);
/// Time between two ticks without a registry: decisions are counted up to so much later, and held
/// requests are examined.
pub const TICK: Duration = Duration::from_millis(250);
/// Time after which buffered bytes that are not delivered count as withheld. A filter before this
/// one may hold a body for a moment.
pub const WITHHELD: Duration = Duration::from_millis(1500);
