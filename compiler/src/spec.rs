//! The protocol versions ("specs", hard forks) that programs are compiled for.

use serde::{Deserialize, Serialize};

/// A protocol version: a name. What holds in it, [`Spec::rules`] and [`Spec::gas`] say
/// ([`crate::forks`]); it has no order, so that nothing can ask for a version where it means a
/// rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u32)]
pub enum Spec {
    /// Block 0 of mainnet.
    Frontier = 0,
    /// EIP-2, EIP-7.
    Homestead = 1,
    /// EIP-150 (Tangerine Whistle).
    Tangerine = 2,
    /// EIP-155, EIP-160, EIP-161, EIP-170.
    SpuriousDragon = 3,
    /// EIP-140, EIP-196, EIP-197, EIP-198, EIP-211, EIP-214, EIP-658.
    Byzantium = 4,
    /// EIP-145, EIP-1014, EIP-1052, EIP-1283. Never active on mainnet without Petersburg.
    Constantinople = 5,
    /// Constantinople without EIP-1283.
    Petersburg = 6,
    /// EIP-152, EIP-1108, EIP-1344, EIP-1884, EIP-2028, EIP-2200.
    Istanbul = 7,
    /// EIP-2565, EIP-2929, EIP-2930.
    Berlin = 8,
    /// EIP-1559, EIP-3198, EIP-3529, EIP-3541.
    London = 9,
    /// EIP-3675, EIP-4399 (Paris).
    Merge = 10,
    /// EIP-3651, EIP-3855, EIP-3860, EIP-4895.
    Shanghai = 11,
    /// EIP-1153, EIP-4788, EIP-4844, EIP-5656, EIP-6780, EIP-7516.
    Cancun = 12,
    /// EIP-2537, EIP-2935, EIP-7002, EIP-7251, EIP-7623, EIP-7702.
    Prague = 13,
    /// EIP-7823, EIP-7825, EIP-7883, EIP-7939, EIP-7951.
    #[default]
    Osaka = 14,
}

impl Spec {
    /// Every spec, oldest first.
    pub const ALL: [Spec; 15] = [
        Spec::Frontier,
        Spec::Homestead,
        Spec::Tangerine,
        Spec::SpuriousDragon,
        Spec::Byzantium,
        Spec::Constantinople,
        Spec::Petersburg,
        Spec::Istanbul,
        Spec::Berlin,
        Spec::London,
        Spec::Merge,
        Spec::Shanghai,
        Spec::Cancun,
        Spec::Prague,
        Spec::Osaka,
    ];

    /// The name as execution-specs writes it in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Spec::Frontier => "frontier",
            Spec::Homestead => "homestead",
            Spec::Tangerine => "tangerine",
            Spec::SpuriousDragon => "spurious-dragon",
            Spec::Byzantium => "byzantium",
            Spec::Constantinople => "constantinople",
            Spec::Petersburg => "petersburg",
            Spec::Istanbul => "istanbul",
            Spec::Berlin => "berlin",
            Spec::London => "london",
            Spec::Merge => "merge",
            Spec::Shanghai => "shanghai",
            Spec::Cancun => "cancun",
            Spec::Prague => "prague",
            Spec::Osaka => "osaka",
        }
    }
}

impl core::fmt::Display for Spec {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not one of [`Spec::ALL`] or its usual aliases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown spec '{0}': expected one of frontier, homestead, ..., cancun, prague, osaka")]
pub struct UnknownSpec(pub String);

impl core::str::FromStr for Spec {
    type Err = UnknownSpec;

    fn from_str(s: &str) -> Result<Spec, UnknownSpec> {
        let key: String =
            s.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        Ok(match key.as_str() {
            "frontier" => Spec::Frontier,
            "homestead" => Spec::Homestead,
            "tangerine" | "tangerinewhistle" | "eip150" => Spec::Tangerine,
            "spurious" | "spuriousdragon" | "eip158" => Spec::SpuriousDragon,
            "byzantium" => Spec::Byzantium,
            "constantinople" => Spec::Constantinople,
            "petersburg" | "constantinoplefix" => Spec::Petersburg,
            "istanbul" => Spec::Istanbul,
            "berlin" => Spec::Berlin,
            "london" => Spec::London,
            "merge" | "paris" => Spec::Merge,
            "shanghai" => Spec::Shanghai,
            "cancun" => Spec::Cancun,
            "prague" => Spec::Prague,
            "osaka" => Spec::Osaka,
            _ => return Err(UnknownSpec(s.to_owned())),
        })
    }
}
