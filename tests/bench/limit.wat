;; What a filter cannot do without, and nothing else: no memory is read, nothing is computed.
;;
;; STEPS, which load.rs sets, says how many of the calls of a decision it makes:
;;   0  it holds the headers and the body until the end of the request
;;   1  the header map
;;   2  the body
;;   3  the digest of the certificate
;;   4  whether the chain was verified
;;   5  the time
;;   6  a filter state
;;   7  a second one
;; With 7 it is the limit: the calls that a decision needs, without the decision.
;;
;; PAUSE is 1 for a filter that waits for the body, and 0 for one that lets the request pass at the
;; headers, as a request that is not gated.
(module
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes"
    (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "connection\00sha256_peer_certificate_digest")
  (data (i32.const 64) "connection\00peer_certificate_valid")
  (data (i32.const 128) "tls_client_auth_code")
  (data (i32.const 160) "authenticated")
  (data (i32.const 192) "tls_client_auth_client_id")
  (data (i32.const 224) "client-050")
  ;; Every answer of the host is copied to one place, and addresses and lengths are written to
  ;; another.
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  ;; 0 = Continue, 1 = Pause; the last parameter is end_of_stream.
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.ge_u (i32.const STEPS) (i32.const 1))
      (then (drop (call $pairs (i32.const 0) (i32.const 256) (i32.const 260)))))
    (i32.and (i32.const PAUSE) (i32.eqz (local.get 2))))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (if (i32.eqz (local.get 2)) (then (return (i32.const PAUSE))))
    (if (i32.ge_u (i32.const STEPS) (i32.const 2))
      (then (drop (call $buffer (i32.const 0) (i32.const 0) (local.get 1)
        (i32.const 256) (i32.const 260)))))
    (if (i32.ge_u (i32.const STEPS) (i32.const 3))
      (then (drop (call $property (i32.const 0) (i32.const 41)
        (i32.const 256) (i32.const 260)))))
    (if (i32.ge_u (i32.const STEPS) (i32.const 4))
      (then (drop (call $property (i32.const 64) (i32.const 33)
        (i32.const 256) (i32.const 260)))))
    (if (i32.ge_u (i32.const STEPS) (i32.const 5))
      (then (drop (call $time (i32.const 264)))))
    (if (i32.ge_u (i32.const STEPS) (i32.const 6))
      (then (drop (call $set (i32.const 128) (i32.const 20)
        (i32.const 160) (i32.const 13)))))
    (if (i32.ge_u (i32.const STEPS) (i32.const 7))
      (then (drop (call $set (i32.const 192) (i32.const 25)
        (i32.const 224) (i32.const 10)))))
    (i32.const 0))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_delete") (param i32)))
