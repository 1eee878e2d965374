//! SipHash-2-4 (Aumasson and Bernstein, 2012): without the key, inputs with a chosen hash are found
//! only by chance.

pub(super) fn siphash(k0: u64, k1: u64, octets: &[u8]) -> u64 {
    let mut state = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = octets.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    // The highest octet holds the length modulo 256.
    let last = u64::from_le_bytes(last) | (octets.len() as u64) << 56;
    for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]) {
        let [v0, v1, v2, v3] = state;
        let [v0, v1, v2, v3] = round(round([v0, v1, v2, v3 ^ word]));
        state = [v0 ^ word, v1, v2, v3];
    }
    let [v0, v1, v2, v3] = state;
    let state = (0..4).fold([v0, v1, v2 ^ 0xff, v3], |state, _| round(state));
    state.into_iter().fold(0, |hash, word| hash ^ word)
}

fn round([v0, v1, v2, v3]: [u64; 4]) -> [u64; 4] {
    let (v0, v2) = (v0.wrapping_add(v1), v2.wrapping_add(v3));
    let (v1, v3) = (v1.rotate_left(13) ^ v0, v3.rotate_left(16) ^ v2);
    let (v0, v2) = (v0.rotate_left(32).wrapping_add(v3), v2.wrapping_add(v1));
    let (v1, v3) = (v1.rotate_left(17) ^ v2, v3.rotate_left(21) ^ v0);
    [v0, v1, v2.rotate_left(32), v3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors that the authors published with their implementation: key and input are 0, 1, 2
    /// and so on.
    #[test]
    fn siphash_gives_the_published_values() {
        let input: Vec<u8> = (0..64).collect();
        let (k0, k1) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        for (length, hash) in [
            (0, 0x726f_db47_dd0e_0e31),
            (1, 0x74f8_39c5_93dc_67fd),
            (7, 0xab02_00f5_8b01_d137),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5_u64),
            (63, 0x958a_324c_eb06_4572),
        ] {
            assert_eq!(siphash(k0, k1, &input[..length]), hash, "{length}");
        }
    }
}
