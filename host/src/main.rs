//! The command line of warpevm.
mod cli {
    pub mod statetest;
    use warpevm::Backend;
    #[derive(Clone, Copy, clap::ValueEnum)]
    pub enum BackendArg {
        Cpu,
        Revm,
    }
    impl From<BackendArg> for Backend {
        fn from(b: BackendArg) -> Backend {
            match b {
                BackendArg::Cpu => Backend::Cpu,
                BackendArg::Revm => Backend::Revm,
            }
        }
    }
    pub fn engine_executor() -> anyhow::Result<Box<dyn warpevm::conformance::Executor>> {
        anyhow::bail!("no engine yet")
    }
}
use clap::Parser;
#[derive(Parser)]
enum Command {
    Statetest(cli::statetest::Statetest),
}
fn main() -> anyhow::Result<()> {
    let Command::Statetest(a) = Command::parse();
    if !cli::statetest::run(&a)? {
        std::process::exit(1)
    }
    Ok(())
}
