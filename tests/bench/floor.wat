;; The least that a filter can do which must see the body before it lets a request go: hold the headers, hold the body,
;; let go at its end. Any filter of this kind costs at least as much as this one.
(module
  (memory (export "memory") 2)
  ;; The host copies configuration and attributes here; nothing ever reads them.
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  ;; 0 = Continue, 1 = Pause; the last parameter is end_of_stream.
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.eqz (local.get 2)))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.eqz (local.get 2)))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_delete") (param i32)))
