// Server PORT AUTHLETE-API DIRECTORY: an authorization server and a resource server on Authlete's
// Java library, as its documentation makes them. Authlete decides, and this server hands it what a
// request has.

import com.authlete.common.api.AuthleteApi;
import com.authlete.common.conf.AuthleteSimpleConfiguration;
import com.authlete.jaxrs.BaseIntrospectionEndpoint;
import com.authlete.jaxrs.BaseResourceEndpoint;
import com.authlete.jaxrs.BaseRevocationEndpoint;
import com.authlete.jaxrs.BaseTokenEndpoint;
import com.authlete.jaxrs.api.AuthleteApiImpl;
import com.authlete.jaxrs.spi.TokenRequestHandlerSpiAdapter;
import javax.servlet.http.HttpServletRequest;
import javax.ws.rs.Consumes;
import javax.ws.rs.GET;
import javax.ws.rs.HeaderParam;
import javax.ws.rs.POST;
import javax.ws.rs.Path;
import javax.ws.rs.core.Context;
import javax.ws.rs.core.HttpHeaders;
import javax.ws.rs.core.MediaType;
import javax.ws.rs.core.MultivaluedMap;
import javax.ws.rs.core.Response;
import org.apache.catalina.startup.Tomcat;
import org.glassfish.jersey.server.ResourceConfig;
import org.glassfish.jersey.servlet.ServletContainer;

public final class Server {
  private static AuthleteApi api;

  @Path("/api/token")
  public static final class Token extends BaseTokenEndpoint {
    @POST
    @Consumes(MediaType.APPLICATION_FORM_URLENCODED)
    public Response post(
        @HeaderParam(HttpHeaders.AUTHORIZATION) String authorization,
        MultivaluedMap<String, String> parameters,
        @Context HttpServletRequest request) {
      // From the connection, where the client connects to this server itself, and otherwise from
      // X-Ssl-Cert.
      String[] certificates = extractClientCertificateChain(request);
      return handle(
          api, new TokenRequestHandlerSpiAdapter(), parameters, authorization, certificates);
    }
  }

  @Path("/api/introspection")
  public static final class Introspection extends BaseIntrospectionEndpoint {
    @POST
    @Consumes(MediaType.APPLICATION_FORM_URLENCODED)
    public Response post(MultivaluedMap<String, String> parameters) {
      return handle(api, parameters);
    }
  }

  @Path("/api/revocation")
  public static final class Revocation extends BaseRevocationEndpoint {
    @POST
    @Consumes(MediaType.APPLICATION_FORM_URLENCODED)
    public Response post(
        @HeaderParam(HttpHeaders.AUTHORIZATION) String authorization,
        MultivaluedMap<String, String> parameters) {
      return handle(api, parameters, authorization);
    }
  }

  @Path("/api/hello")
  public static final class Hello extends BaseResourceEndpoint {
    @GET
    public String get(
        @HeaderParam(HttpHeaders.AUTHORIZATION) String authorization,
        @Context HttpServletRequest request) {
      String token = extractAccessToken(authorization, null);
      return validateAccessToken(api, token, null, null, extractClientCertificate(request))
          .getSubject();
    }
  }

  public static void main(String[] arguments) throws Exception {
    AuthleteSimpleConfiguration configuration = new AuthleteSimpleConfiguration();
    configuration.setBaseUrl(arguments[1]);
    configuration.setServiceApiKey("service-key");
    configuration.setServiceApiSecret("service-secret");
    api = new AuthleteApiImpl(configuration);

    ResourceConfig application =
        new ResourceConfig(
            Token.class, Introspection.class, Revocation.class, Hello.class);
    Tomcat tomcat = new Tomcat();
    tomcat.setBaseDir(arguments[2]);
    tomcat.setHostname("127.0.0.1");
    tomcat.setPort(Integer.parseInt(arguments[0]));
    tomcat.getConnector().setProperty("address", "127.0.0.1");
    org.apache.catalina.Context context = tomcat.addContext("", null);
    Tomcat.addServlet(context, "server", new ServletContainer(application));
    context.addServletMappingDecoded("/*", "server");
    tomcat.start();
    tomcat.getServer().await();
  }

  private Server() {}
}
