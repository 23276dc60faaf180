//! Runs a page: one bash for its blocks, which stops where something is to be started in another terminal.

use std::path::PathBuf;
use std::time::Duration;

use sea_mq_stack::{Launch, Process};

use crate::background::Background;
use crate::checkout::Checkout;
use crate::output::agrees;
use crate::page::{Block, Kind, Page};

/// Longer than any page that is not stuck takes.
const PAGE_WITHIN: Duration = Duration::from_secs(180);
/// Begins the line that says which block comes next.
const MARK: &str = "\u{1}block ";
/// Everything is built already, and not from the copy.
const BUILT: &str =
    "export PROFILE=dev\nmake() { command make -o build -o servers -o handlers-venv \"$@\"; }\n";
/// What a caller of the tests may have set, and a reader has not.
const UNSET: [&str; 7] =
    ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH", "CONTRACTS_DIR", "DB_URL", "CONTEXT"];

/// Runs the page's blocks in order.
pub async fn run(checkout: &Checkout, page: &Page) -> Result<(), String> {
    let session = Session::start(checkout, page).await?;
    let mut background = None;
    let done = tokio::time::timeout(PAGE_WITHIN, session.run(&mut background)).await;
    let done = done.unwrap_or_else(|_late| Err(format!("not done within {PAGE_WITHIN:?}")));
    done.map_err(|problem| session.tell(&problem, background.as_ref()))?;
    // Seen with --nocapture.
    println!("{}\n{}", page.path, session.bash.output());
    match background {
        Some(background) => background.interrupt().await,
        None => Ok(()),
    }
}

/// Runs pages one after the other while the command runs in another terminal.
pub async fn run_beside(command: &str, checkout: &Checkout, pages: &[Page]) -> Result<(), String> {
    let background = Background::start(command, command, checkout).await?;
    for page in pages {
        if let Err(problem) = run(checkout, page).await {
            return Err(format!("{problem}\n\n{command} printed:\n{}", last(&background.output())));
        }
    }
    background.interrupt().await
}

/// What `cargo test` and `.ci/time-tests` tell tests: with it, cargo would build again what looks at these.
const OF_CARGO: &str = "OUT_DIR RUSTC_BOOTSTRAP ${!CARGO_PKG_@} ${!CARGO_MANIFEST_@} ${!CARGO_BIN_@} ${!CARGO_CRATE_@} ${!CARGO_TARGET_@}";

/// A bash that runs this text in the copy.
pub async fn shell(name: &str, text: &str, checkout: &Checkout) -> Result<Process, String> {
    let unset = format!("unset {} {OF_CARGO}\n", UNSET.join(" "));
    // What is cut off at the page's end while it tidies up goes with the rest.
    let temporary = checkout.state().folder("tmp").map_err(|error| error.to_string())?;
    let launch = Launch::new(name.replace('/', "_"), "bash")
        .args(["-c", &format!("set -euo pipefail\n{unset}{BUILT}{text}")])
        .env("TMPDIR", temporary.display().to_string())
        .dir(checkout.root());
    launch.start(checkout.state()).await.map_err(|error| error.to_string())
}

/// The bash of a page.
struct Session<'a> {
    checkout: &'a Checkout,
    page: &'a Page,
    files: PathBuf,
    bash: Process,
}

impl<'a> Session<'a> {
    async fn start(checkout: &'a Checkout, page: &'a Page) -> Result<Self, String> {
        let name = page.path.replace('/', "_");
        let files = checkout.state().folder(&format!("blocks_{name}")).map_err(|error| error.to_string())?;
        let mut script = String::new();
        for block in &page.blocks {
            let file = files.join(format!("line {}", block.line));
            std::fs::write(&file, &block.text).map_err(|error| format!("{}: {error}", file.display()))?;
            script += &format!("cd {:?}\nprintf '\\n{MARK}%s\\n' {}\n", checkout.root(), block.line);
            script += &match block.kind {
                Kind::Foreground => format!(". {file:?}\n"),
                // Until it is ready.
                Kind::Background => format!("until [[ -e {:?} ]]; do sleep 0.05; done\n", started(&file)),
            };
        }
        script += &format!("printf '\\n{MARK}%s\\n' end\n");
        let bash = shell(&name, &script, checkout).await?;
        Ok(Self { checkout, page, files, bash })
    }

    /// Goes along with the bash; keeps what runs beside it.
    async fn run(&self, background: &mut Option<Background>) -> Result<(), String> {
        for block in &self.page.blocks {
            if block.kind == Kind::Background {
                self.begun(&block.line.to_string()).await?;
                self.change(block, background).await?;
            }
        }
        self.begun("end").await?;
        for block in &self.page.blocks {
            let Some(shown) = &block.shown else { continue };
            let output = match block.kind {
                Kind::Foreground => self.output(block),
                // It goes on printing.
                Kind::Background => continue,
            };
            if !agrees(shown, &output) {
                let place = self.page.place(block);
                return Err(format!("{place}: the page shows\n{shown}\nbut the block printed\n{output}"));
            }
        }
        Ok(())
    }

    /// The next terminal; what ran in the one before is ended with Ctrl-C.
    async fn change(&self, block: &Block, background: &mut Option<Background>) -> Result<(), String> {
        if let Some(before) = background.take() {
            before.interrupt().await?;
        }
        let place = self.page.place(block);
        let begun = Background::start(&block.text, &place, self.checkout).await?;
        let shown = block.shown.as_ref().map(|shown| format!("…\n{shown}…\n"));
        if let Some(shown) = shown.filter(|shown| !agrees(shown, &begun.output())) {
            return Err(format!(
                "{place}: the page shows\n{shown}\nbut the block printed\n{}",
                begun.output()
            ));
        }
        *background = Some(begun);
        let file = started(&self.files.join(format!("line {}", block.line)));
        std::fs::write(&file, "").map_err(|error| format!("{}: {error}", file.display()))
    }

    async fn begun(&self, block: &str) -> Result<(), String> {
        let mark = format!("{MARK}{block}");
        loop {
            let line = self.bash.wait_for_line(&mark, PAGE_WITHIN).await;
            match line {
                Ok(line) if line == mark => return Ok(()),
                Ok(_another) => {}
                Err(sea_mq_stack::StackError::Ended { status, .. }) => {
                    return Err(format!("ended with {status}"));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn output(&self, block: &Block) -> String {
        let mark = format!("\n{MARK}{}\n", block.line);
        let whole = self.bash.output();
        let after = whole.split_once(&mark).map_or("", |(_, after)| after);
        after.split_once(&format!("\n{MARK}")).map_or(after, |(output, _)| output).to_owned()
    }

    /// The problem, with the block that was running and what it printed.
    fn tell(&self, problem: &str, background: Option<&Background>) -> String {
        let whole = self.bash.output();
        let running = whole.rsplit_once(MARK).map_or("", |(_, last)| last.lines().next().unwrap_or_default());
        let block = self.page.blocks.iter().find(|block| block.line.to_string() == running);
        let mut told = block.map_or(problem.to_owned(), |block| {
            format!(
                "{}: {problem}. The block:\n{}It printed:\n{}",
                self.page.place(block),
                block.text,
                self.output(block)
            )
        });
        if let Some(background) = background {
            told += &format!("\n\nin the other terminal:\n{}", last(&background.output()));
        }
        told
    }
}

fn started(block: &std::path::Path) -> PathBuf {
    block.with_extension("started")
}

/// The last lines of an output.
fn last(output: &str) -> String {
    const LINES: usize = 60;
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
