-- A script instead of the filter: it compares the printed subject with that of the client_id. It
-- has no rules for duplicates, encodings and other authentication methods.
local subjects = { ["CLIENT"] = "SUBJECT" }

function envoy_on_request(request)
  local body = request:body()
  local form = body and body:getBytes(0, body:length()) or ""
  local client_id = ("&" .. form):match("&client_id=([^&]*)")
  local connection = request:streamInfo():downstreamSslConnection()
  local subject = connection and connection:subjectPeerCertificate()
  if not subject or subjects[client_id] ~= subject then
    request:respond({ [":status"] = "401" }, '{"error": "invalid_client"}')
  end
end
