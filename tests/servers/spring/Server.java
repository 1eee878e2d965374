import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.UUID;
import java.util.function.Consumer;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.AuthorizationServerSettings;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.session.DisableEncodeUrlFilter;
import org.springframework.web.servlet.function.RouterFunction;
import org.springframework.web.servlet.function.RouterFunctions;
import org.springframework.web.servlet.function.ServerResponse;

/** An authorization server of Spring, behind tls-client-auth. */
@SpringBootConfiguration
@EnableAutoConfiguration
public class Server {
  public static void main(String[] arguments) {
    SpringApplication.run(Server.class, arguments);
  }

  // As docs/servers/spring.md shows it.
  @Bean
  @ConditionalOnProperty(name = "converter", havingValue = "own", matchIfMissing = true)
  SecurityFilterChain authorizationServer(HttpSecurity http, RegisteredClientRepository clients) {
    http.oauth2AuthorizationServer(
        server -> {
          http.securityMatcher(server.getEndpointsMatcher());
          server
              .clientAuthentication(
                  client ->
                      client.authenticationConverter(new ForwardedCertificateConverter(clients)))
              .pushedAuthorizationRequestEndpoint(Customizer.withDefaults())
              .deviceAuthorizationEndpoint(Customizer.withDefaults());
        });
    return http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated()).build();
  }

  // What Spring does without the converter, where a filter of the container takes the header for
  // the certificate of the connection, as Tomcat's valve does.
  @Bean
  @ConditionalOnProperty(name = "converter", havingValue = "none")
  SecurityFilterChain withoutConverter(HttpSecurity http) {
    http.oauth2AuthorizationServer(server -> http.securityMatcher(server.getEndpointsMatcher()));
    http.addFilterBefore(Server::takeForwardedCertificate, DisableEncodeUrlFilter.class);
    return http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated()).build();
  }

  // As docs/servers/spring.md shows it.
  @Bean
  SecurityFilterChain accounts(HttpSecurity http) {
    http.securityMatcher("/accounts")
        .addFilterBefore(Server::takeForwardedCertificate, DisableEncodeUrlFilter.class)
        .oauth2ResourceServer(server -> server.jwt(Customizer.withDefaults()));
    return http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated()).build();
  }

  static void takeForwardedCertificate(
      ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    String header = ((HttpServletRequest) request).getHeader("Client-Cert");
    if (header != null) {
      X509Certificate[] leaf = {ForwardedCertificateConverter.certificate(header)};
      request.setAttribute("jakarta.servlet.request.X509Certificate", leaf);
    }
    chain.doFilter(request, response);
  }

  @Bean
  RouterFunction<ServerResponse> accountsOfToken() {
    return RouterFunctions.route()
        .GET("/accounts", request -> ServerResponse.ok().body(request.principal().get().getName()))
        .build();
  }

  @Bean
  AuthorizationServerSettings settings() {
    return AuthorizationServerSettings.builder().issuer("https://localhost:10443").build();
  }

  // The keys of the self-signed client are at the address that --keys names.
  @Bean
  RegisteredClientRepository clients(@Value("${keys}") String keys) {
    return new InMemoryRegisteredClientRepository(
        client(
            "ledger",
            ClientAuthenticationMethod.TLS_CLIENT_AUTH,
            settings ->
                settings.x509CertificateSubjectDN(
                    "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP")),
        client(
            "reports",
            ClientAuthenticationMethod.TLS_CLIENT_AUTH,
            settings ->
                settings.x509CertificateSubjectDN(
                    "CN=client.example.org,O=Other,L=Chiyoda-ku,ST=Tokyo,C=JP")),
        client(
            "archive",
            ClientAuthenticationMethod.SELF_SIGNED_TLS_CLIENT_AUTH,
            settings -> settings.jwkSetUrl(keys)),
        RegisteredClient.from(
                client("legacy", ClientAuthenticationMethod.CLIENT_SECRET_BASIC, settings -> {}))
            .clientSecret("{noop}a secret of a test")
            .build());
  }

  private static RegisteredClient client(
      String id, ClientAuthenticationMethod method, Consumer<ClientSettings.Builder> change) {
    ClientSettings.Builder settings = ClientSettings.builder();
    change.accept(settings);
    return RegisteredClient.withId(UUID.randomUUID().toString())
        .clientId(id)
        .clientAuthenticationMethod(method)
        .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
        .authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
        .authorizationGrantType(AuthorizationGrantType.DEVICE_CODE)
        .redirectUri("https://client.example.org/callback")
        .scope("accounts")
        .clientSettings(settings.build())
        .tokenSettings(
            TokenSettings.builder()
                .accessTokenTimeToLive(Duration.ofMinutes(5))
                .x509CertificateBoundAccessTokens(true)
                .build())
        .build();
  }
}
