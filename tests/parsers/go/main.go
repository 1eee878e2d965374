// Reads bodies with Go's form parsers. For each line of JSON, {"body", "headers"}, it writes a
// line: by parser, the values that a server would look up.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
)

var credentials = []string{
	"client_id", "client_secret", "client_assertion", "client_assertion_type",
}

type found map[string][]string

// The values that are present, also if the caller ignores an error.
func members(form url.Values) found {
	read := found{}
	for _, name := range credentials {
		if form.Has(name) {
			read[name] = form[name]
		}
	}
	return read
}

func request(body []byte, headers http.Header) (*http.Request, error) {
	request, err := http.NewRequest("POST", "http://localhost/token", bytes.NewReader(body))
	if err == nil {
		request.Header = headers
	}
	return request, err
}

func parseQuery(body []byte, headers http.Header) (found, error) {
	form, _ := url.ParseQuery(string(body))
	return members(form), nil
}

func parseForm(body []byte, headers http.Header) (found, error) {
	request, err := request(body, headers)
	if err != nil {
		return nil, err
	}
	err = request.ParseForm()
	return members(request.PostForm), err
}

func formValue(body []byte, headers http.Header) (found, error) {
	request, err := request(body, headers)
	if err != nil {
		return nil, err
	}
	read := found{}
	for _, name := range credentials {
		if request.PostFormValue(name) != "" || request.Form.Has(name) {
			read[name] = []string{request.PostFormValue(name), request.FormValue(name)}
		}
	}
	return read, nil
}

func main() {
	parsers := []struct {
		name string
		read func([]byte, http.Header) (found, error)
	}{{"Go ParseQuery", parseQuery}, {"Go ParseForm", parseForm}, {"Go PostFormValue", formValue}}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	versions := map[string]string{}
	for _, parser := range parsers {
		versions[parser.name] = runtime.Version()
	}
	check(encoder.Encode(versions))
	lines := json.NewDecoder(in)
	for {
		var item struct {
			Body    []byte
			Headers [][2]string
		}
		err := lines.Decode(&item)
		if err == io.EOF {
			return
		}
		check(err)
		answer := map[string]any{}
		for _, parser := range parsers {
			headers := http.Header{}
			for _, pair := range item.Headers {
				var value []byte
				check(json.Unmarshal([]byte(`"`+pair[1]+`"`), &value))
				headers.Add(pair[0], string(value))
			}
			read, err := parser.read(item.Body, headers)
			if err != nil {
				answer[parser.name] = map[string]string{"error": err.Error()}
			} else {
				answer[parser.name] = read
			}
		}
		check(encoder.Encode(answer))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
