// What crypto/x509 reads in certificates: a line of hexadecimal for each, a line of JSON for each.
package main

import (
	"bufio"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type answer struct {
	Error    string      `json:"error,omitempty"`
	Validity []int64     `json:"validity,omitempty"`
	Serial   string      `json:"serial"`
	Names    [][2]string `json:"names"`
	Subject  *string     `json:"subject"`
}

// A value as RFC 4514 allows it: every octet may be escaped.
func escaped(value string) string {
	var out strings.Builder
	for _, b := range []byte(value) {
		if b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "\\%02X", b)
		}
	}
	return out.String()
}

func subject(raw []byte) *string {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &sequence); err != nil || len(rest) > 0 {
		return nil
	}
	rdns := []string{}
	for at := len(sequence) - 1; at >= 0; at-- {
		attributes := []string{}
		for _, attribute := range sequence[at] {
			value, isText := attribute.Value.(string)
			if !isText {
				return nil
			}
			attributes = append(attributes, attribute.Type.String()+"="+escaped(value))
		}
		rdns = append(rdns, strings.Join(attributes, "+"))
	}
	text := strings.Join(rdns, ",")
	return &text
}

func read(line string) answer {
	der, err := hex.DecodeString(line)
	if err != nil {
		return answer{Error: err.Error()}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return answer{Error: err.Error()}
	}
	names := [][2]string{}
	for _, name := range certificate.DNSNames {
		names = append(names, [2]string{"dns", name})
	}
	for _, name := range certificate.URIs {
		names = append(names, [2]string{"uri", name.String()})
	}
	for _, name := range certificate.EmailAddresses {
		names = append(names, [2]string{"email", name})
	}
	for _, name := range certificate.IPAddresses {
		names = append(names, [2]string{"ip", name.String()})
	}
	return answer{
		Validity: []int64{certificate.NotBefore.Unix(), certificate.NotAfter.Unix()},
		Serial:   certificate.SerialNumber.Text(16),
		Names:    names,
		Subject:  subject(certificate.RawSubject),
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		if err := encoder.Encode(read(lines.Text())); err != nil {
			panic(err)
		}
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
}
