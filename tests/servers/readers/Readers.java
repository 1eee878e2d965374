import jakarta.ws.rs.core.AbstractMultivaluedMap;
import jakarta.ws.rs.core.HttpHeaders;
import jakarta.ws.rs.core.MultivaluedMap;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.connector.Request;
import org.apache.catalina.core.StandardContext;
import org.apache.catalina.core.StandardHost;
import org.apache.catalina.valves.SSLValve;
import org.apache.catalina.valves.ValveBase;
import org.keycloak.common.crypto.CryptoIntegration;
import org.keycloak.http.HttpRequest;
import org.keycloak.services.x509.ApacheProxySslClientCertificateLookup;
import org.keycloak.services.x509.EnvoyProxySslClientCertificateLookup;
import org.keycloak.services.x509.HaProxySslClientCertificateLookup;
import org.keycloak.services.x509.NginxProxySslClientCertificateLookup;
import org.keycloak.services.x509.Rfc9440ClientCertificateLookup;
import org.keycloak.services.x509.TraefikProxySslClientCertificateLookup;
import org.keycloak.services.x509.X509ClientCertificateLookup;

/**
 * What servers read in the header that the filter writes. A line in: the reader, the header's name
 * and its value, with tabs between them. A line out: the SHA-256 of the certificate that it read.
 */
public class Readers {
    public static void main(String[] arguments) throws Exception {
        CryptoIntegration.init(Readers.class.getClassLoader());
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] fields = line.split("\t", 3);
            byte[] read;
            try {
                read = read(fields[0], fields[1], fields[2]);
            } catch (Exception | LinkageError error) {
                System.out.println(error);
                continue;
            }
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(read);
            System.out.println(Base64.getUrlEncoder().withoutPadding().encodeToString(digest));
        }
    }

    private static byte[] read(String reader, String name, String value) throws Exception {
        return switch (reader) {
            case "tomcat" -> tomcat(name, value);
            case "authlete" -> authlete(name, value);
            default -> keycloak(lookup(reader, name), name, value);
        };
    }

    private static X509ClientCertificateLookup lookup(String reader, String name) {
        return switch (reader) {
            case "keycloak-nginx" ->
                new NginxProxySslClientCertificateLookup(
                    name, "unused", 0, Set.of(), Set.of(), false, true);
            case "keycloak-apache" -> new ApacheProxySslClientCertificateLookup(name, "unused", 0);
            case "keycloak-haproxy" ->
                new HaProxySslClientCertificateLookup(name, "unused", "unused", 0);
            case "keycloak-traefik" -> new TraefikProxySslClientCertificateLookup(1);
            case "keycloak-envoy" -> new EnvoyProxySslClientCertificateLookup();
            case "keycloak-rfc9440" -> new Rfc9440ClientCertificateLookup(name, "unused", 1);
            default -> throw new IllegalArgumentException("no such reader: " + reader);
        };
    }

    private static byte[] keycloak(X509ClientCertificateLookup lookup, String name, String value)
            throws Exception {
        HttpHeaders headers = stub(HttpHeaders.class, (method, arguments) -> {
            boolean isIt = arguments != null && name.equalsIgnoreCase((String) arguments[0]);
            return switch (method) {
                case "getHeaderString" -> isIt ? value : null;
                case "getRequestHeader" -> isIt ? List.of(value) : List.of();
                case "getRequestHeaders" -> fields(name, value);
                default -> throw new UnsupportedOperationException(method);
            };
        });
        HttpRequest request = stub(HttpRequest.class, (method, arguments) -> switch (method) {
            case "getHttpHeaders" -> headers;
            case "isProxyTrusted" -> true;
            default -> throw new UnsupportedOperationException(method);
        });
        X509Certificate[] chain = lookup.getCertificateChain(request);
        if (chain == null || chain.length != 1) {
            throw new IllegalStateException("not one certificate");
        }
        return chain[0].getEncoded();
    }

    private static MultivaluedMap<String, String> fields(String name, String value) {
        var fields = new AbstractMultivaluedMap<String, String>(
            new TreeMap<>(String.CASE_INSENSITIVE_ORDER)) {};
        fields.add(name, value);
        return fields;
    }

    /** The valve as Tomcat runs it, with what the next one gets. */
    private static byte[] tomcat(String name, String value) throws Exception {
        var valve = new SSLValve();
        var context = new StandardContext();
        context.setParent(new StandardHost());
        valve.setContainer(context);
        var next = new ValveBase() {
            private X509Certificate[] chain;

            @Override
            public void invoke(Request request, org.apache.catalina.connector.Response response) {
                chain = (X509Certificate[])
                    request.getAttribute("jakarta.servlet.request.X509Certificate");
            }
        };
        valve.setNext(next);
        var connector = new Connector();
        var coyote = new org.apache.coyote.Request();
        coyote.getMimeHeaders().addValue(name).setString(value);
        var request = new Request(connector, coyote);
        valve.invoke(request, null);
        if (next.chain == null || next.chain.length != 1) {
            throw new IllegalStateException("not one certificate");
        }
        return next.chain[0].getEncoded();
    }

    /** The library gives the text on as it is, and Authlete's API takes it. */
    private static byte[] authlete(String name, String value) throws Exception {
        var request = stub(javax.servlet.http.HttpServletRequest.class, (method, arguments) -> {
            boolean isIt = arguments != null && name.equalsIgnoreCase((String) arguments[0]);
            return isIt ? value : null;
        });
        var extractor = new com.authlete.jaxrs.HeaderClientCertificateExtractor();
        String[] chain = extractor.extractClientCertificateChain(request);
        if (chain == null || chain.length != 1) {
            throw new IllegalStateException("not one certificate");
        }
        String text = java.net.URLDecoder.decode(chain[0], StandardCharsets.UTF_8);
        var octets = new ByteArrayInputStream(text.getBytes(StandardCharsets.US_ASCII));
        return CertificateFactory.getInstance("X.509").generateCertificate(octets).getEncoded();
    }

    private interface Answer {
        Object to(String method, Object[] arguments);
    }

    private static <T> T stub(Class<T> type, Answer answer) {
        return type.cast(Proxy.newProxyInstance(
            Readers.class.getClassLoader(), new Class<?>[] {type},
            (self, method, arguments) -> answer.to(method.getName(), arguments)));
    }
}
