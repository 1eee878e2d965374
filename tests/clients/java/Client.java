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

/**
 * Two clients in Java: the JDK's own HttpClient, and Nimbus's OAuth SDK. For each line of standard
 * input, "TLS-VERSION CERTIFICATE CLIENT", it sends a token request and prints a line: the client
 * that the backend received, the status and error of a refusal, or "failed" and the reason.
 *
 * <p>java Client jdk|nimbus TOKEN-ENDPOINT PKI-DIRECTORY
 */
final class Client {
  private static final char[] PASSWORD = "demo".toCharArray();

  public static void main(String[] arguments) throws IOException {
    boolean nimbus = arguments[0].equals("nimbus");
    URI endpoint = URI.create(arguments[1]);
    Path pki = Path.of(arguments[2]);
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = lines.readLine()) != null; ) {
      String[] words = line.split(" ");
      try {
        SSLContext context = context(pki, words[0], words[1]);
        System.out.println(
            nimbus
                ? askWithNimbus(endpoint, context, words[2])
                : askWithJdk(endpoint, context, words[2]));
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
