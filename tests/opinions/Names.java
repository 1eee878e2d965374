import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import javax.security.auth.x500.X500Principal;

/** Compares names with X500Principal.equals, line by line as decide.rs does. */
final class Names {
    public static void main(String[] arguments) throws Exception {
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        StringBuilder answers = new StringBuilder();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            answers.append(answer(words[0], words[1])).append('\n');
        }
        System.out.print(answers);
    }

    private static String answer(String one, String other) {
        try {
            return name(one).equals(name(other)) ? "=" : "!";
        } catch (IllegalArgumentException refused) {
            return "-";
        }
    }

    private static X500Principal name(String word) {
        byte[] octets = HexFormat.of().parseHex(word, 1, word.length());
        return word.charAt(0) == 'd'
                ? new X500Principal(octets)
                : new X500Principal(new String(octets, StandardCharsets.UTF_8));
    }
}
