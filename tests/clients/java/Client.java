import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.auth.PKITLSClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.SelfSignedTLSClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.TLSClientAuthentication;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.springframework.http.client.JdkClientHttpRequestFactory;
import org.springframework.http.converter.FormHttpMessageConverter;
import org.springframework.security.oauth2.client.endpoint.OAuth2ClientCredentialsGrantRequest;
import org.springframework.security.oauth2.client.endpoint.RestClientClientCredentialsTokenResponseClient;
import org.springframework.security.oauth2.client.http.OAuth2ErrorResponseErrorHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.OAuth2AuthorizationException;
import org.springframework.security.oauth2.core.http.converter.OAuth2AccessTokenResponseHttpMessageConverter;
import org.springframework.web.client.RestClient;
import org.springframework.web.client.RestClientResponseException;

/**
 * Clients in Java: the JDK's own HttpClient, Nimbus's OAuth SDK, and Spring Security's OAuth client.
 * For each line of standard
 * input, "TLS-VERSION CERTIFICATE CLIENT", it sends a token request and prints a line: the client
 * that the backend received, the status and error of a refusal, or "failed" and the reason.
 *
 * <p>java Client jdk|nimbus|spring|spring-tls TOKEN-ENDPOINT PKI-DIRECTORY
 */
final class Client {
  private static final char[] PASSWORD = "demo".toCharArray();

  public static void main(String[] arguments) throws IOException {
    URI endpoint = URI.create(arguments[1]);
    Path pki = Path.of(arguments[2]);
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = lines.readLine()) != null; ) {
      String[] words = line.split(" ");
      try {
        SSLContext context = context(pki, words[0], words[1]);
        System.out.println(
            switch (arguments[0]) {
              case "nimbus" -> askWithNimbus(endpoint, context, words[2]);
              case "spring" ->
                  askWithSpring(endpoint, context, words[2], ClientAuthenticationMethod.NONE);
              case "spring-tls" ->
                  askWithSpring(
                      endpoint, context, words[2], ClientAuthenticationMethod.TLS_CLIENT_AUTH);
              default -> askWithJdk(endpoint, context, words[2]);
            });
      } catch (Exception failure) {
        System.out.println("failed " + failure);
      }
    }
  }

  private static String askWithJdk(URI endpoint, SSLContext context, String client)
      throws Exception {
    String form = "grant_type=client_credentials&client_id=" + client;
    HttpRequest request =
        HttpRequest.newBuilder(endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(form))
            .build();
    HttpClient http = HttpClient.newBuilder().sslContext(context).build();
    HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
    return outcome(response.statusCode(), response.body());
  }

  private static String askWithNimbus(URI endpoint, SSLContext context, String client)
      throws Exception {
    // This library has a class for each of the two methods of RFC 8705.
    ClientID id = new ClientID(client);
    TLSClientAuthentication authentication =
        client.equals("self-signed")
            ? new SelfSignedTLSClientAuthentication(id, context.getSocketFactory())
            : new PKITLSClientAuthentication(id, context.getSocketFactory());
    HTTPResponse response =
        new TokenRequest.Builder(endpoint, authentication, new ClientCredentialsGrant())
            .build()
            .toHTTPRequest()
            .send();
    return outcome(response.getStatusCode(), response.getBody());
  }

  private static String askWithSpring(
      URI endpoint, SSLContext context, String client, ClientAuthenticationMethod method)
      throws Exception {
    ClientRegistration registration =
        ClientRegistration.withRegistrationId("edge")
            .clientId(client)
            .clientAuthenticationMethod(method)
            .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
            .tokenUri(endpoint.toString())
            .build();
    HttpClient http = HttpClient.newBuilder().sslContext(context).build();
    var tokens = new RestClientClientCredentialsTokenResponseClient();
    tokens.setRestClient(
        RestClient.builder()
            .requestFactory(new JdkClientHttpRequestFactory(http))
            .configureMessageConverters(
                converters ->
                    converters
                        .addCustomConverter(new FormHttpMessageConverter())
                        .addCustomConverter(new OAuth2AccessTokenResponseHttpMessageConverter()))
            .defaultStatusHandler(new OAuth2ErrorResponseErrorHandler())
            .build());
    try {
      var answer =
          tokens.getTokenResponse(new OAuth2ClientCredentialsGrantRequest(registration));
      return String.valueOf(answer.getAdditionalParameters().get("authenticated_client"));
    } catch (OAuth2AuthorizationException refused) {
      // It reads the error of a 400 alone, and calls every other one invalid_token_response.
      return refused.getCause() instanceof RestClientResponseException response
          ? outcome(response.getStatusCode().value(), response.getResponseBodyAsString())
          : "400 " + refused.getError().getErrorCode();
    }
  }

  private static String outcome(int status, String body) throws Exception {
    var answer = JSONObjectUtils.parse(body);
    return status == 200
        ? String.valueOf(answer.get("authenticated_client"))
        : status + " " + answer.get("error");
  }

  private static SSLContext context(Path pki, String version, String certificate)
      throws GeneralSecurityException, IOException {
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    try (InputStream ca = new FileInputStream(pki.resolve("ca.pem").toFile())) {
      trusted.setCertificateEntry(
          "ca", CertificateFactory.getInstance("X.509").generateCertificate(ca));
    }
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    // The version is the highest that the client offers.
    SSLContext context = SSLContext.getInstance("TLSv" + version);
    KeyManager[] own = certificate.equals("-") ? null : keys(pki, certificate);
    context.init(own, trust.getTrustManagers(), null);
    return context;
  }

  private static KeyManager[] keys(Path pki, String certificate)
      throws GeneralSecurityException, IOException {
    KeyStore own = KeyStore.getInstance("PKCS12");
    try (InputStream file = new FileInputStream(pki.resolve(certificate + ".p12").toFile())) {
      own.load(file, PASSWORD);
    }
    KeyManagerFactory keys =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(own, PASSWORD);
    return keys.getKeyManagers();
  }
}
