# frozen_string_literal: true

# Reads bodies with Ruby's form parsers. For each line of JSON, {"body", "headers"}, it writes a
# line: by parser, the values that a server would look up.

require 'cgi'
require 'json'
require 'rack'
require 'stringio'
require 'uri'

CREDENTIALS = %w[client_id client_secret client_assertion client_assertion_type].freeze

def leaves(value)
  case value
  when Hash then value.values.flat_map { |one| leaves(one) }
  when Array then value.flat_map { |one| leaves(one) }
  else [value.to_s.dup.force_encoding('UTF-8').scrub]
  end
end

# A parameter without a value is present, as nil.
def members(form)
  CREDENTIALS.select { |name| form.key?(name) }.to_h { |name| [name, leaves(form[name])] }
end

def environment(body, headers)
  Rack::MockRequest.env_for('/token', method: 'POST', input: StringIO.new(body),
                                      'CONTENT_TYPE' => headers['content-type'])
end

def pairs(pairs)
  members(pairs.group_by(&:first).transform_values { |same| same.map(&:last) })
end

def request(body, headers)
  Rack::Request.new(environment(body, headers))
end

def nested(body, separators = nil)
  members(Rack::Utils.parse_nested_query(body, separators))
end

PARSERS = {
  'Rack POST' => [Rack.release, ->(body, headers) { members(request(body, headers).POST) }],
  'Rack params' => [Rack.release, ->(body, headers) { members(request(body, headers).params) }],
  'Rack parse_nested_query' => [Rack.release, ->(body, _) { nested(body) }],
  'Rack parse_query' => [Rack.release, ->(body, _) { members(Rack::Utils.parse_query(body)) }],
  'Rack, semicolons' => [Rack.release, ->(body, _) { nested(body, '&;') }],
  'Ruby URI' => [RUBY_VERSION, ->(body, _) { pairs(URI.decode_www_form(body)) }],
  'Ruby CGI' => [RUBY_VERSION, ->(body, _) { members(CGI.parse(body)) }]
}.freeze

$stdout.sync = false
puts JSON.generate(PARSERS.transform_values(&:first))
$stdin.each_line do |line|
  item = JSON.parse(line)
  body = item['body'].unpack1('m').force_encoding('UTF-8')
  headers = item['headers'].to_h { |name, value| [name, value.unpack1('m')] }
  answer = PARSERS.transform_values do |(_, read)|
    # A server has octets.
    read.call(body.dup, headers)
  rescue StandardError, SystemStackError => e
    { 'error' => e.class.name }
  end
  puts JSON.generate(answer)
end
