// From field elements to the groups of BLS12-381 (EIP-2537): precompiles 0x10 and 0x11. The
// simplified SWU map to an isogenous curve, the isogeny, and the cofactor (RFC 9380, 8.8).
#ifndef WARPEVM_OP_BLS12_381_MAP_CUH
#define WARPEVM_OP_BLS12_381_MAP_CUH

#include "bls12_381.cuh"

namespace warpevm {

// The curve that is 11-isogenous to the one of G1: its a and b.
WE_CONST u64 bls381_iso11_a[6] = {
    0x2f65aa0e9af5aa51ull, 0x86464c2d1e8416c3ull, 0xb85ce591b7bd31e2ull, 0x27e11c91b5f24e7cull,
    0x28376eda6bfc1835ull, 0x155455c3e5071d85ull
};
WE_CONST u64 bls381_iso11_b[6] = {
    0xfb996971fe22a1e0ull, 0x9aa93eb35b742d6full, 0x8c476013de99c5c4ull, 0x873e27c3a221e571ull,
    0xca72b5e45a52d888ull, 0x06824061418a386bull
};
// sqrt(-Z^3) for Z = 11.
WE_CONST u64 bls381_root_minus_z_cubed[6] = {
    0x43b571cad3215f1full, 0xccb460ef1c702dc2ull, 0x742d884f4f97100bull, 0xdb2c3e3238a3382bull,
    0xe40f3fa13fce8f88ull, 0x0073a2af9892a2ffull
};
// sqrt(-5^3): 5 is the norm of Z = -(2 + u).
WE_CONST u64 bls381_root_minus_125[6] = {
    0xe4132bbd838cf70aull, 0x01d769ac83772c19ull, 0xa83dd6e974c22e45ull, 0xbc8ec3e777b08dffull,
    0xc035c2042ecf5da3ull, 0x073929e97f0850bfull
};
// The isogeny: polynomials in x, lowest coefficient first.
WE_CONST u64 bls381_iso11_x_numerator[72] = {
    0x4d18b6f3af00131cull, 0x19fa219793fee28cull, 0x3f2885f1467f19aeull, 0x23dcea34f2ffb304ull,
    0xd15b58d2ffc00054ull, 0x0913be200a20bef4ull, 0x898985385cdbbd8bull, 0x3c79e43cc7d966aaull,
    0x1597e193f4cd233aull, 0x8637ef1e4d6623adull, 0x11b22deed20d827bull, 0x07097bc5998784adull,
    0xa542583a480b664bull, 0xfc7169c026e568c6ull, 0x5ba2ef314ed8b5a6ull, 0x5b5491c05102f0e7ull,
    0xdf6e99707d2a0079ull, 0x0784151ed7605524ull, 0x494e212870f72741ull, 0xab9be52fbda43021ull,
    0x26f5577994e34c3dull, 0x049dfee82aefbd60ull, 0x65dadd7828505289ull, 0x0e93d431ea011aebull,
    0x90ee774bd6a74d45ull, 0x7ada1c8a41bfb185ull, 0x0f1a8953b325f464ull, 0x104c24211be4805cull,
    0x169139d319ea7a8full, 0x09f20ead8e532bf6ull, 0x6ddd93e2f43626b7ull, 0xa5482c9aa1ccd7bdull,
    0x143245631883f4bdull, 0x2e0a94ccf77ec0dbull, 0xb0282d480e56489full, 0x18f4bfcbb4368929ull,
    0x23c5f0c953402dfdull, 0x7a43ff6958ce4fe9ull, 0x2c390d3d2da5df63ull, 0xd0df5c98e1f9d70full,
    0xffd89869a572b297ull, 0x1277ffc72f25e8feull, 0x79f4f0490f06a8a6ull, 0x85f894a88030fd81ull,
    0x12da3054b18b6410ull, 0xe2a57f6505880d65ull, 0xbba074f260e400f1ull, 0x08b76279f621d028ull,
    0xe67245ba78d5b00bull, 0x8456ba9a1f186475ull, 0x7888bff6e6b33bb4ull, 0xe21585b9a30f86cbull,
    0x05a69cdcef55feeeull, 0x09e699dd9adfa5acull, 0x0de5c357bff57107ull, 0x0a0db4ae6b1a10b2ull,
    0xe256bb67b3b3cd8dull, 0x8ad456574e9db24full, 0x0443915f50fd4179ull, 0x098c4bf7de8b6375ull,
    0xe6b0617e7dd929c7ull, 0xfe6e37d442537375ull, 0x1dafdeda137a489eull, 0xe4efd1ad3f767cebull,
    0x4a51d8667f0fe1cfull, 0x054fdf4bbf1d821cull, 0x72db2a50658d767bull, 0x8abf91faa257b3d5ull,
    0xe969d6833764ab47ull, 0x464170142a1009ebull, 0xb14f01aadb30be2full, 0x18ae6a856f40715dull
};
WE_CONST u64 bls381_iso11_x_denominator[66] = {
    0xb962a077fdb0f945ull, 0xa6a9740fefda13a0ull, 0xc14d568c3ed6c544ull, 0xb43fc37b908b133eull,
    0x9c0b3ac929599016ull, 0x0165aa6c93ad115full, 0x23279a3ba506c1d9ull, 0x92cfca0a9465176aull,
    0x3b294ab13755f0ffull, 0x116dda1c5070ae93ull, 0xed4530924cec2045ull, 0x083383d6ed81f1ceull,
    0x9885c2a6449fecfcull, 0x4a2b54ccd37733f0ull, 0x17da9ffd8738c142ull, 0xa0fba72732b3fafdull,
    0xff364f36e54b6812ull, 0x0f29c13c660523e2ull, 0xe349cc118278f041ull, 0xd487228f2f3204fbull,
    0xc9d325849ade5150ull, 0x43a92bd69c15c2dfull, 0x1c2c7844bc417be4ull, 0x12025184f407440cull,
    0x587f65ae6acb057bull, 0x1444ef325140201full, 0xfbf995e71270da49ull, 0xccda066072436a42ull,
    0x7408904f0f186bb2ull, 0x13b93c63edf6c015ull, 0xfb918622cd141920ull, 0x4a4c64423ecaddb4ull,
    0x0beb232927f7fb26ull, 0x30f94df6f83a3dc2ull, 0xaeedd424d780f388ull, 0x06cc402dd594bbebull,
    0xd41f761151b23f8full, 0x32a92465435719b3ull, 0x64f436e888c62cb9ull, 0xdf70a9a1f757c6e4ull,
    0x6933a38d5b594c81ull, 0x0c6f7f7237b46606ull, 0x693c08747876c8f7ull, 0x22c9850bf9cf80f0ull,
    0x8e9071dab950c124ull, 0x89bc62d61c7baf23ull, 0xbc6be2d8dad57c23ull, 0x17916987aa14a122ull,
    0x1be3ff439c1316fdull, 0x9965243a7571dfa7ull, 0xc7f7f62962f5cd81ull, 0x32c6aa9af394361cull,
    0xbbc2ee18e1c227f4ull, 0x0c102cbac531bb34ull, 0x997614c97bacbf07ull, 0x61f86372b99192c0ull,
    0x5b8c95fc14353fc3ull, 0xca2b066c2a87492full, 0x16178f5bbf698711ull, 0x12a6dcd7f0f4e0e8ull,
    0x760900000002fffdull, 0xebf4000bc40c0002ull, 0x5f48985753c758baull, 0x77ce585370525745ull,
    0x5c071a97a256ec6dull, 0x15f65ec3fa80e493ull
};
WE_CONST u64 bls381_iso11_y_numerator[96] = {
    0x2b567ff3e2837267ull, 0x1d4d9e57b958a767ull, 0xce028fea04bd7373ull, 0xcc31a30a0b6cd3dfull,
    0x7d7b18a682692693ull, 0x0d300744d42a0310ull, 0x99c2555fa542493full, 0xfe7f53cc4874f878ull,
    0x5df0608b8f97608aull, 0x14e03832052b49c8ull, 0x706326a6957dd5a4ull, 0x0a8dadd9c2414555ull,
    0x13d942922a5cf63aull, 0x357e33e36e261e7dull, 0xcf05a27c8456088dull, 0x0000bd1de7ba50f0ull,
    0x83d0c7532f8c1fdeull, 0x13f70bf38bbf2905ull, 0x5c57fd95bfafbdbbull, 0x28a359a65e541707ull,
    0x3983ceb4f6360b6dull, 0xafe19ff6f97e6d53ull, 0xb3468f4550192bf7ull, 0x0bb6cde49d8ba257ull,
    0x590b62c7ff8a513full, 0x314b4ce372cacefdull, 0x6bef32ce94b8a800ull, 0x6ddf84a095713d5full,
    0x64eace4cb0982191ull, 0x0386213c651b888dull, 0xa5310a31111bbcddull, 0xa14ac0f5da148982ull,
    0xf9ad9cc95423d2e9ull, 0xaa6ec095283ee4a7ull, 0xcf5b1f022e1c9107ull, 0x01fddf5aed881793ull,
    0x65a572b0d7a7d950ull, 0xe25c2d8183473a19ull, 0xc2fcebe7cb877dbdull, 0x05b2d36c769a89b0ull,
    0xba12961be86e9efbull, 0x07eb1b29c1dfde1full, 0x93e09572f7c4cd24ull, 0x364e929076795091ull,
    0x8569467e68af51b5ull, 0xa47da89439f5340full, 0xf4fa918082e44d64ull, 0x0ad52ba3e6695a79ull,
    0x911429844e0d5f54ull, 0xd03f51a3516bb233ull, 0x3d587e5640536e66ull, 0xfa86d2a3a9a73482ull,
    0xa90ed5adf1ed5537ull, 0x149c9c326a5e7393ull, 0x462bbeb03c12921aull, 0xdc9af5fa0a274a17ull,
    0x9a558ebde836ebedull, 0x649ef8f11a4fae46ull, 0x8100e1652b3cdc62ull, 0x1862bd62c291dacbull,
    0x05c9b8ca89f12c26ull, 0x0194160fa9b9ac4full, 0x6a643d5a6879fa2cull, 0x14665bdd8846e19dull,
    0xbb1d0d53af3ff6bfull, 0x12c7e1c3b28962e5ull, 0xb55ebf900b8a3e17ull, 0xfedc77ec1a9201c4ull,
    0x1f07db10ea1a4df4ull, 0x0dfbd15dc41a594dull, 0x389547f2334a5391ull, 0x02419f98165871a4ull,
    0xb416af000745fc20ull, 0x8e563e9d1ea6d0f5ull, 0x7c763e17763a0652ull, 0x01458ef0159ebbefull,
    0x8346fe421f96bb13ull, 0x0d2d7b829ce324d2ull, 0x93096bb538d64615ull, 0x6f2a2619951d823aull,
    0x8f66b3ea59514fa4ull, 0xf563e63704f7092full, 0x724b136c4cf2d9faull, 0x046959cfcfd0bf49ull,
    0xea748d4b6e405346ull, 0x91e9079c2c02d58full, 0x41064965946d9b59ull, 0xa06731f1d2bbe1eeull,
    0x07f897e267a33f1bull, 0x1017290919210e5full, 0x872aa6c17d985097ull, 0xeecc53161264562aull,
    0x07afe37afff55002ull, 0x54759078e5be6838ull, 0xc4b92d15db8acca8ull, 0x106d87d1b51d13b9ull
};
WE_CONST u64 bls381_iso11_y_denominator[96] = {
    0xeb6c359d47e52b1cull, 0x18ef5f8a10634d60ull, 0xddfa71a0889d5b7eull, 0x723e71dcc5fc1323ull,
    0x52f45700b70d5c69ull, 0x0a8b981ee47691f1ull, 0x616a3c4f5535b9fbull, 0x6f5f037395dbd911ull,
    0xf25f4cc5e35c65daull, 0x3e50dffea3c62658ull, 0x6a33dca523560776ull, 0x0fadeff77b6bfe3eull,
    0x2be9b66df470059cull, 0x24a2c159a3d36742ull, 0x115dbe7ad10c2a37ull, 0xb6634a652ee5884dull,
    0x04fe8bb2b8d81af4ull, 0x01c2a7a256fe9c41ull, 0xf27bf8ef3b75a386ull, 0x898b367476c9073full,
    0x24482e6b8c2f4e5full, 0xc8e0bbd6fe110806ull, 0x59b0c17f7631448aull, 0x11037cd58b3dbfbdull,
    0x31c7912ea267eec6ull, 0x1dbf6f1c5fcdb700ull, 0xd30d4fe3ba86fdb1ull, 0x3cae528fbee9a2a4ull,
    0xb1cce69b6aa9ad9aull, 0x044393bb632d94fbull, 0xc66ef6efeeb5c7e8ull, 0x9824c289dd72bb55ull,
    0x71b1a4d2f119981dull, 0x104fc1aafb0919ccull, 0x0e49df01d942a628ull, 0x096c3a09773272d4ull,
    0x9abc11eb5fadeff4ull, 0x32dca50a885728f0ull, 0xfb1fa3721569734cull, 0xc4b76271ea6506b3ull,
    0xd466a75599ce728eull, 0x0c81d4645f4cb6edull, 0x4199f10e5b8be45bull, 0xda64e495b1e87930ull,
    0xcb353efe9b33e4ffull, 0x9e9efb24aa6424c6ull, 0xf08d33680a237465ull, 0x0d3378023e4c7406ull,
    0x7eb4ae92ec74d3a5ull, 0xc341b4aa9fac3497ull, 0x5be603899e907687ull, 0x03bfd9cca75cbdebull,
    0x564c2935a96bfa93ull, 0x0ef3c33371e2fdb5ull, 0x7ee91fd449f6ac2eull, 0xe5d5bd5cb9357a30ull,
    0x773a8ca5196b1380ull, 0xd0fda172174ed023ull, 0x6cb95e0fa776aeadull, 0x0d22d5a40cec7cffull,
    0xf727e09285fd8519ull, 0xdc9d55a83017897bull, 0x7549d8bd057894aeull, 0x178419613d90d8f8ull,
    0xfce95ebdeb5b490aull, 0x0467ffaef23fc49eull, 0xc1769e6a7c385f1bull, 0x79bc930deac01c03ull,
    0x5461c75a23ede3b5ull, 0x6e20829e5c230c45ull, 0x828e0f1e772a53cdull, 0x116aefa749127bffull,
    0x101c10bf2744c10aull, 0xbbf18d053a6a3154ull, 0xa0ecf39ef026f602ull, 0xfc009d4996dc5153ull,
    0xb9000209d5bd08d3ull, 0x189e5fe4470cd73cull, 0x7ebd546ca1575ed2ull, 0xe47d5a981d081b55ull,
    0x57b2b625b6d4ca21ull, 0xb0a1ba04228520ccull, 0x98738983c2107ff3ull, 0x13dddbc4799d81d6ull,
    0x09319f2e39834935ull, 0x039e952cbdb05c21ull, 0x55ba77a9a2f76493ull, 0xfd04e3dfc6086467ull,
    0xfb95832e7d78742eull, 0x0ef9c24eccaf5e0eull, 0x760900000002fffdull, 0xebf4000bc40c0002ull,
    0x5f48985753c758baull, 0x77ce585370525745ull, 0x5c071a97a256ec6dull, 0x15f65ec3fa80e493ull
};
// The 3-isogeny to the curve of G2.
WE_CONST u64 bls381_iso3_x_numerator[48] = {
    0x47f671c71ce05e62ull, 0x06dd57071206393eull, 0x7c80cd2af3fd71a2ull, 0x048103ea9e6cd062ull,
    0xc54516acc8d037f6ull, 0x13808f550920ea41ull, 0x47f671c71ce05e62ull, 0x06dd57071206393eull,
    0x7c80cd2af3fd71a2ull, 0x048103ea9e6cd062ull, 0xc54516acc8d037f6ull, 0x13808f550920ea41ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x5fe55555554c71d0ull, 0x873fffdd236aaaa3ull,
    0x6a6b4619b26ef918ull, 0x21c2888408874945ull, 0x2836cda7028cabc5ull, 0x0ac73310a7fd5abdull,
    0x0a0c5555555971c3ull, 0xdb0c00101f9eaaaeull, 0xb1fb2f941d797997ull, 0xd3960742ef416e1cull,
    0xb70040e2c20556f4ull, 0x149d7861e581393bull, 0xaff2aaaaaaa638e8ull, 0x439fffee91b55551ull,
    0xb535a30cd9377c8cull, 0x90e144420443a4a2ull, 0x941b66d3814655e2ull, 0x0563998853fead5eull,
    0x40aac71c71c725edull, 0x190955557a84e38eull, 0xd817050a8f41abc3ull, 0xd86485d4c87f6fb1ull,
    0x696eb479f885d059ull, 0x198e1a74328002d2ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull
};
WE_CONST u64 bls381_iso3_x_denominator[36] = {
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x1f3affffff13ab97ull, 0xf25bfc611da3ff3eull,
    0xca3757cb3819b208ull, 0x3e6427366f8cec18ull, 0x03977bc86095b089ull, 0x04f69db13f39a952ull,
    0x447600000027552eull, 0xdcb8009a43480020ull, 0x6f7ee9ce4a6e8b59ull, 0xb10330b7c0a95bc6ull,
    0x6140b1fcfb1e54b7ull, 0x0381be097f0bb4e1ull, 0x7588ffffffd8557dull, 0x41f3ff646e0bffdfull,
    0xf7b1e8d2ac426acaull, 0xb3741acd32dbb6f8ull, 0xe9daf5b9482d581full, 0x167f53e0ba7431b8ull,
    0x760900000002fffdull, 0xebf4000bc40c0002ull, 0x5f48985753c758baull, 0x77ce585370525745ull,
    0x5c071a97a256ec6dull, 0x15f65ec3fa80e493ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull
};
WE_CONST u64 bls381_iso3_y_numerator[48] = {
    0x96d8f684bdfc77beull, 0xb530e4f43b66d0e2ull, 0x184a88ff379652fdull, 0x57cb23ecfae804e1ull,
    0x0fd2e39eada3eba9ull, 0x08c8055e31c5d5c3ull, 0x96d8f684bdfc77beull, 0xb530e4f43b66d0e2ull,
    0x184a88ff379652fdull, 0x57cb23ecfae804e1ull, 0x0fd2e39eada3eba9ull, 0x08c8055e31c5d5c3ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0xbf0a71c71c91b406ull, 0x4d6d55d28b7638fdull,
    0x9d82f98e5f205aeeull, 0xa27aa27b1d1a18d5ull, 0x02c3b2b2d2938e86ull, 0x0c7d13420b09807full,
    0xd7f9555555531c74ull, 0x21cffff748daaaa8ull, 0x5a9ad1866c9bbe46ull, 0x4870a2210221d251ull,
    0x4a0db369c0a32af1ull, 0x02b1ccc429ff56afull, 0xe205aaaaaaac8e37ull, 0xfcdc000768795556ull,
    0x0c96011a8a1537ddull, 0x1c06a963f163406eull, 0x010df44c82a881e6ull, 0x174f45260f808febull,
    0xa470bda12f67f35cull, 0xc0fe38e23327b425ull, 0xc9d3d0f2c6f0678dull, 0x1c55c9935b5a982eull,
    0x27f6c0e2f0746764ull, 0x117c5e6e28aa9054ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull
};
WE_CONST u64 bls381_iso3_y_denominator[48] = {
    0x0162fffffa765adfull, 0x8f7bea480083fb75ull, 0x561b3c2259e93611ull, 0x11e19fc1a9c875d5ull,
    0xca713efc00367660ull, 0x03c6a03d41da1151ull, 0x0162fffffa765adfull, 0x8f7bea480083fb75ull,
    0x561b3c2259e93611ull, 0x11e19fc1a9c875d5ull, 0xca713efc00367660ull, 0x03c6a03d41da1151ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x5db0fffffd3b02c5ull, 0xd713f52358ebfdbaull,
    0x5ea60761a84d161aull, 0xbb2c75a34ea6c44aull, 0x0ac6735921c1119bull, 0x0ee3d913bdacfbf6ull,
    0x66b10000003affc5ull, 0xcb1400e764ec0030ull, 0xa73e5eb56fa5d106ull, 0x8984c913a0fe09a9ull,
    0x11e10afb78ad7f13ull, 0x05429d0e3e918f52ull, 0x534dffffffc4aae6ull, 0x5397ff174c67ffcfull,
    0xbff273eb870b251dull, 0xdaf2827152870915ull, 0x393a9cbaca9e2dc3ull, 0x14be74dbfaee5748ull,
    0x760900000002fffdull, 0xebf4000bc40c0002ull, 0x5f48985753c758baull, 0x77ce585370525745ull,
    0x5c071a97a256ec6dull, 0x15f65ec3fa80e493ull, 0x0000000000000000ull, 0x0000000000000000ull,
    0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull, 0x0000000000000000ull
};

WE_DEV WE_INLINE void map_constant(Bls381Fp::Elem& r, const u64* table) {
    Bls381Fp::set_table(r, table);
}

WE_DEV WE_INLINE void map_constant(Bls381Fp2::Elem& r, const u64* table) {
    Bls381Fp::set_table(r.c0, table);
    Bls381Fp::set_table(r.c1, table + 6);
}

// The sign of RFC 9380, 4.1: the parity of the first coefficient that is not 0.
WE_DEV WE_INLINE bool map_sign(const Bls381Fp::Elem& a) {
    Bls381Fp::Elem x;
    Bls381Fp::from_form(x, a);
    return (x.w[0] & 1) != 0;
}

WE_DEV WE_INLINE bool map_sign(const Bls381Fp2::Elem& a) {
    return map_sign(Bls381Fp::is_zero(a.c0) ? a.c1 : a.c0);
}

// What the map needs to know of a group. `table_entry` is the u64 of a coefficient.
struct MapG1 {
    typedef Bls381G1 G;
    typedef Bls381Fp F;
    static constexpr u32 table_entry = 6;
    static constexpr u32 x_numerator_count = 12, x_denominator_count = 11;
    static constexpr u32 y_numerator_count = 16, y_denominator_count = 16;
    static WE_DEV WE_INLINE const u64* x_numerator() { return bls381_iso11_x_numerator; }
    static WE_DEV WE_INLINE const u64* x_denominator() { return bls381_iso11_x_denominator; }
    static WE_DEV WE_INLINE const u64* y_numerator() { return bls381_iso11_y_numerator; }
    static WE_DEV WE_INLINE const u64* y_denominator() { return bls381_iso11_y_denominator; }

    static WE_DEV WE_INLINE void set_a(F::Elem& r) { F::set_table(r, bls381_iso11_a); }
    static WE_DEV WE_INLINE void set_b(F::Elem& r) { F::set_table(r, bls381_iso11_b); }
    // r := r Z, Z = 11.
    static WE_DEV WE_INLINE void mul_z(F::Elem& r) {
        F::Elem t;
        F::dbl(t, r), F::dbl(t, t);
        F::add(t, t, r);
        F::dbl(t, t);
        F::add(r, t, r);
    }
    // y := sqrt(g), or, for a g that is no square, sqrt(g Z^3 u^6). Whether g is one.
    static WE_DEV WE_NOINLINE bool root(F::Elem& y, const F::Elem& g, const F::Elem& u) {
        F::Elem t;
        bls381_inverse_root(y, g);
        F::mul(y, y, g);
        F::sqr(t, y);
        if (F::eq(t, g)) return true;
        F::sqr(t, u);  // y^2 = -g
        F::mul(t, t, u);
        F::mul(y, y, t);
        F::set_table(t, bls381_root_minus_z_cubed);
        F::mul(y, y, t);
        return false;
    }
    // p := (1 - z) p.
    static WE_DEV WE_NOINLINE void clear_cofactor(Jacobian<F>& p) {
        point_mul_u64(p, bls381_z + 1);
    }
};

struct MapG2 {
    typedef Bls381G2 G;
    typedef Bls381Fp2 F;
    typedef Bls381Fp B;
    static constexpr u32 table_entry = 12;
    static constexpr u32 x_numerator_count = 4, x_denominator_count = 3;
    static constexpr u32 y_numerator_count = 4, y_denominator_count = 4;
    static WE_DEV WE_INLINE const u64* x_numerator() { return bls381_iso3_x_numerator; }
    static WE_DEV WE_INLINE const u64* x_denominator() { return bls381_iso3_x_denominator; }
    static WE_DEV WE_INLINE const u64* y_numerator() { return bls381_iso3_y_numerator; }
    static WE_DEV WE_INLINE const u64* y_denominator() { return bls381_iso3_y_denominator; }

    // a = 240 u, b = 1012 (1 + u).
    static WE_DEV WE_INLINE void small(B::Elem& r, u32 k) {
        WE_UNROLL
        for (u32 i = 0; i < B::n; i++) r.w[i] = i == 0 ? k : 0;
        B::to_form(r, r);
    }
    static WE_DEV WE_INLINE void set_a(F::Elem& r) {
        B::set_zero(r.c0);
        small(r.c1, 240);
    }
    static WE_DEV WE_INLINE void set_b(F::Elem& r) {
        small(r.c0, 1012);
        r.c1 = r.c0;
    }
    // r := r Z, Z = -(2 + u).
    static WE_DEV WE_INLINE void mul_z(F::Elem& r) {
        F::Elem t;
        F::dbl(t, r);
        B::sub(t.c0, t.c0, r.c1);
        B::add(t.c1, t.c1, r.c0);
        F::neg(r, t);
    }
    static WE_DEV WE_INLINE void norm(B::Elem& r, const F::Elem& a) {
        B::Elem t;
        B::sqr(t, a.c0);
        B::sqr(r, a.c1);
        B::add(r, r, t);
    }
    // As for G1. With n the norm of g and s = sqrt(n), a root of g has the real part
    // sqrt((g0 + s) / 2) or sqrt((g0 - s) / 2): the product of the two radicands is -(g1 / 2)^2, so
    // that one exponentiation finds whichever exists. g is a square if n is.
    static WE_DEV WE_NOINLINE bool root(F::Elem& y, const F::Elem& g, const F::Elem& u) {
        F::Elem a = g;
        B::Elem n, s, t, w;
        norm(n, g);
        bls381_inverse_root(s, n);
        B::mul(s, s, n);
        B::sqr(t, s);
        bool square = B::eq(t, n);
        if (!square) {  // s^2 = -n; the norm of Z^3 u^6 is 5^3 times that of u, to the sixth
            F::Elem k;
            F::sqr(k, u);
            mul_z(k);
            F::mul(a, a, k);
            F::sqr(k, k);
            F::mul(a, a, k);
            norm(n, u);
            B::sqr(t, n);
            B::mul(t, t, n);
            B::mul(s, s, t);
            B::set_table(t, bls381_root_minus_125);
            B::mul(s, s, t);
        }
        B::add(t, a.c0, s);
        if (B::is_zero(t)) B::sub(t, a.c0, s);
        B::halve(t, t);
        bls381_inverse_root(w, t);
        B::mul(s, w, t);
        B::sqr(n, s);
        B::mul(w, w, a.c1);
        B::halve(w, w);
        if (B::eq(n, t)) {
            y.c0 = s;
            y.c1 = w;
        } else {
            B::neg(y.c0, w);
            y.c1 = s;
        }
        return square;
    }
    static WE_DEV WE_INLINE void psi(Jacobian<F>& p) {
        F::conjugate(p.z, p.z);
        Bls381G2::endomorphism(p.x, p.y);
    }
    // p := (z^2 - z - 1) p + (z - 1) psi(p) + psi^2(2 p) (Budroni, Pintore 2017).
    static WE_DEV WE_NOINLINE void clear_cofactor(Jacobian<F>& p) {
        Jacobian<F> t = p, s;
        point_mul_u64(t, bls381_z);  // -z p
        s = t;
        point_mul_u64(s, bls381_z);
        point_add(s, t);
        point_add(t, p);
        psi(t);
        F::neg(t.y, t.y);
        point_add(s, t);
        t = p;
        F::neg(t.y, t.y);
        point_add(s, t);
        point_double(p);
        psi(p);
        psi(p);
        point_add(p, s);
    }
};

// r := the polynomial of `count` coefficients at x.
template <class M>
WE_DEV WE_NOINLINE void map_polynomial(typename M::F::Elem& r, const u64* table, u32 count,
                                       const typename M::F::Elem& x) {
    typename M::F::Elem c;
    map_constant(r, table + M::table_entry * (count - 1));
    WE_ROLL
    for (u32 i = count - 1; i-- > 0;) {
        M::F::mul(r, r, x);
        map_constant(c, table + M::table_entry * i);
        M::F::add(r, r, c);
    }
}

// (x, y) := the point of the isogenous curve for u (RFC 9380, 6.6.2).
template <class M>
WE_DEV WE_NOINLINE void map_swu(typename M::F::Elem& x, typename M::F::Elem& y,
                                const typename M::F::Elem& u) {
    typedef typename M::F F;
    typename F::Elem a, b, t, s, g;
    M::set_a(a);
    M::set_b(b);
    F::sqr(t, u);
    M::mul_z(t);  // Z u^2
    F::sqr(s, t);
    F::add(s, s, t);
    if (F::is_zero(s)) {  // x = b / (Z a)
        x = b;
        s = a;
        M::mul_z(s);
    } else {  // x = b (s + 1) / (-a s)
        F::set_one(x);
        F::add(x, x, s);
        F::mul(x, x, b);
        F::mul(s, s, a);
        F::neg(s, s);
    }
    F::inverse(s, s);
    F::mul(x, x, s);
    F::sqr(g, x);
    F::add(g, g, a);
    F::mul(g, g, x);
    F::add(g, g, b);
    if (!M::root(y, g, u)) F::mul(x, x, t);
    if (map_sign(y) != map_sign(u)) F::neg(y, y);
}

// Writes the point for the field element of the input; false if that is not below p.
template <class M, class Src, class Out>
WE_DEV WE_NOINLINE bool bls381_map(const Src& src, const Out& out) {
    typedef typename M::F F;
    typename F::Elem u, x, y, x_low, y_high, y_low;
    if (!bls381_read(u, src, 0)) return false;
    map_swu<M>(x, y, u);
    Jacobian<F> p;
    map_polynomial<M>(p.x, M::x_numerator(), M::x_numerator_count, x);
    map_polynomial<M>(x_low, M::x_denominator(), M::x_denominator_count, x);
    map_polynomial<M>(y_high, M::y_numerator(), M::y_numerator_count, x);
    map_polynomial<M>(y_low, M::y_denominator(), M::y_denominator_count, x);
    // (x / x_low, y y_high / y_low) with z = x_low y_low; z = 0 is infinity, as it should be.
    F::mul(p.z, x_low, y_low);
    F::mul(u, p.z, y_low);  // x_low y_low^2
    F::mul(p.x, p.x, u);
    F::sqr(x_low, x_low);
    F::mul(u, u, x_low);
    F::mul(p.y, y, y_high);
    F::mul(p.y, p.y, u);
    M::clear_cofactor(p);
    bls381_write_point<typename M::G>(out, p);
    return true;
}

}  // namespace warpevm

#endif  // WARPEVM_OP_BLS12_381_MAP_CUH
