-- What one would write without this filter: is the printed subject the one that is registered for the client_id?
-- It has none of the filter's rules for duplicates, encodings and other ways of authentication.
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
