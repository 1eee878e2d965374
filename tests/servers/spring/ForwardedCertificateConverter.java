import jakarta.servlet.http.HttpServletRequest;
import java.io.ByteArrayInputStream;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.springframework.security.core.Authentication;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.core.OAuth2ErrorCodes;
import org.springframework.security.oauth2.server.authorization.authentication.OAuth2ClientAuthenticationToken;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.web.authentication.AuthenticationConverter;

/**
 * Authenticates clients by the certificate in {@code Client-Cert} (RFC 9440), which tls-client-auth
 * writes for clients that it authenticated.
 *
 * <p>Spring's own converter takes the certificates of the connection, which behind a proxy are not
 * those of the client. It also takes a single certificate for {@code self_signed_tls_client_auth},
 * and a chain for {@code tls_client_auth}. A proxy forwards the leaf alone, so here the client's
 * registration says which of the two it is. Spring's provider then compares the certificate with
 * this registration, as it does with one of the connection.
 *
 * <p>The header can be trusted only where this server is reachable through the filter alone.
 */
public final class ForwardedCertificateConverter implements AuthenticationConverter {
  private final RegisteredClientRepository clients;

  public ForwardedCertificateConverter(RegisteredClientRepository clients) {
    this.clients = clients;
  }

  @Override
  public Authentication convert(HttpServletRequest request) {
    String header = request.getHeader("Client-Cert");
    String[] ids = request.getParameterValues("client_id");
    if (header == null || ids == null || ids.length != 1) {
      return null;
    }
    RegisteredClient client = clients.findByClientId(ids[0]);
    if (client == null) {
      return null;
    }
    ClientAuthenticationMethod method =
        client.getClientAuthenticationMethods().stream()
            .filter(ForwardedCertificateConverter::isMutualTls)
            .findFirst()
            .orElse(null);
    if (method == null) {
      return null;
    }
    // What belongs to the grant: Spring looks for the code_verifier of PKCE there.
    Map<String, Object> parameters = new HashMap<>();
    request.getParameterMap().forEach((name, values) -> parameters.put(name, values[0]));
    parameters.remove("client_id");
    X509Certificate[] chain = {certificate(header)};
    return new OAuth2ClientAuthenticationToken(ids[0], method, chain, parameters);
  }

  private static boolean isMutualTls(ClientAuthenticationMethod method) {
    return method.equals(ClientAuthenticationMethod.TLS_CLIENT_AUTH)
        || method.equals(ClientAuthenticationMethod.SELF_SIGNED_TLS_CLIENT_AUTH);
  }

  static X509Certificate certificate(String header) {
    try {
      if (header.length() < 2 || !header.startsWith(":") || !header.endsWith(":")) {
        throw new IllegalArgumentException("no byte sequence");
      }
      byte[] der = Base64.getDecoder().decode(header.substring(1, header.length() - 1));
      return (X509Certificate)
          CertificateFactory.getInstance("X.509")
              .generateCertificate(new ByteArrayInputStream(der));
    } catch (CertificateException | IllegalArgumentException error) {
      throw new OAuth2AuthenticationException(OAuth2ErrorCodes.INVALID_CLIENT);
    }
  }
}
