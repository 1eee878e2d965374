// A client with golang.org/x/oauth2. For each line of standard input, "TLS-VERSION CERTIFICATE
// CLIENT", it sends a token request and prints a line: the client that the backend received, the
// status and error of a refusal, or "failed" and the reason.
//
//	client params|header|auto TOKEN-ENDPOINT PKI-DIRECTORY
//
// The first word is the style of authentication, which the library must be given.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

var styles = map[string]oauth2.AuthStyle{
	// Without a secret this sends only client_id, as RFC 8705 section 2 requires.
	"params": oauth2.AuthStyleInParams,
	// HTTP Basic with an empty secret.
	"header": oauth2.AuthStyleInHeader,
	// The default: first the header and, if that is refused, the parameters.
	"auto": oauth2.AuthStyleAutoDetect,
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var version, certificate, client string
		if _, err := fmt.Sscan(lines.Text(), &version, &certificate, &client); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Println(ask(styles[os.Args[1]], os.Args[2], os.Args[3], version, certificate, client))
	}
}

func ask(style oauth2.AuthStyle, endpoint, pki, version, certificate, client string) string {
	config, err := tlsConfig(pki, version, certificate)
	if err != nil {
		return fmt.Sprint("failed ", err)
	}
	credentials := clientcredentials.Config{
		ClientID:  client,
		TokenURL:  endpoint,
		AuthStyle: style,
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	httpClient := &http.Client{Transport: transport}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, httpClient)
	token, err := credentials.Token(ctx)
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		return fmt.Sprint(refused.Response.StatusCode, " ", refused.ErrorCode)
	case err != nil:
		return fmt.Sprint("failed ", err)
	}
	return fmt.Sprint(token.Extra("authenticated_client"))
}

func tlsConfig(pki, version, certificate string) (*tls.Config, error) {
	of := func(name string) string { return filepath.Join(pki, name) }
	ca, err := os.ReadFile(of("ca.pem"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		RootCAs:    x509.NewCertPool(),
		MinVersion: tls.VersionTLS12,
		MaxVersion: tls.VersionTLS12,
	}
	config.RootCAs.AppendCertsFromPEM(ca)
	if version == "1.3" {
		config.MinVersion, config.MaxVersion = tls.VersionTLS13, tls.VersionTLS13
	}
	if certificate != "-" {
		own, err := tls.LoadX509KeyPair(of(certificate+".pem"), of(certificate+".key"))
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}
