//! The pages of `docs/tutorial` and `docs/how-to` do what they say: each ```` ```sh ```` block is run as a reader would
//! paste it, and what a page shows of the output is what comes. `docs/how-to/README.md` has the rules for authors.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod background;
mod checkout;
mod links;
mod output;
mod page;
mod run;
mod running;

use crate::checkout::Checkout;
use crate::page::Page;
use crate::run::{run, run_beside};

/// Brings its own system up.
const TUTORIAL: &str = "docs/tutorial/first-hour.md";
/// Say that `make dev` runs in another terminal, and leave it as it was.
const BESIDE: [&str; 7] = [
    "docs/how-to/handle-a-dead-letter.md",
    "docs/how-to/repair-a-stream.md",
    "docs/how-to/run-two-instances.md",
    "docs/how-to/add-a-context.md",
    "docs/how-to/handlers-in-python.md",
    "docs/how-to/handlers-in-typescript.md",
    "docs/how-to/handlers-in-rust.md",
];
/// Need no system.
const ALONE: [&str; 2] = ["docs/how-to/add-an-event-and-a-handler.md", "docs/how-to/test-a-handler.md"];
/// Run by `make check-packaging`, which looks at what it has made.
const ELSEWHERE: [&str; 1] = ["docs/how-to/install.md"];

type Outcome = Result<(), Failed>;

/// Why a page is not as it should be, printed as it is.
struct Failed(String);

impl std::fmt::Debug for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failed {
    fn from(problem: String) -> Self {
        Self(problem)
    }
}

#[tokio::test]
async fn the_first_hour() -> Outcome {
    Ok(run(&Checkout::new()?, &Page::read(TUTORIAL)?).await?)
}

#[tokio::test]
async fn pages_beside_a_development_system() -> Outcome {
    let pages = BESIDE.into_iter().map(Page::read).collect::<Result<Vec<_>, _>>()?;
    Ok(run_beside("make dev", &Checkout::new()?, &pages).await?)
}

#[tokio::test]
async fn pages_that_need_no_development_system() -> Outcome {
    for page in ALONE {
        run(&Checkout::new()?, &Page::read(page)?).await?;
    }
    Ok(())
}

#[test]
fn every_page_is_run() {
    let run: Vec<&str> = BESIDE.into_iter().chain(ALONE).chain(ELSEWHERE).chain([TUTORIAL]).collect();
    for page in links::documents_in(&["docs/tutorial", "docs/how-to"]) {
        let has_blocks = !Page::read(&page).unwrap().blocks.is_empty();
        assert!(!has_blocks || run.contains(&page.as_str()), "{page} has blocks and no test runs it");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let broken = links::broken();
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}
