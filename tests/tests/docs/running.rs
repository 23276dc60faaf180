//! What is wrong with a page is found, and told with its place.

use crate::checkout::Checkout;
use crate::page::Page;
use crate::run::run;

/// What is said about a page with these blocks.
async fn problem(text: &str) -> Option<String> {
    let page = Page::parse("docs/page.md", text).unwrap();
    run(&Checkout::empty().unwrap(), &page).await.err()
}

fn sh(text: &str) -> String {
    format!("```sh\n{text}\n```\n")
}

#[tokio::test]
async fn blocks_share_one_bash_and_each_begins_in_the_root() {
    let page =
        [sh("N=1; f() { echo $N; }; mkdir -p a && cd a"), sh("f; ls"), "```text\n1\na\n```\n".to_owned()];
    assert_eq!(problem(&page.concat()).await, None);
}

#[tokio::test]
async fn a_block_that_fails_is_named_with_what_it_printed() {
    for failing in ["ls nowhere", "false | true", "echo $UNSET_HERE", "done"] {
        let told =
            problem(&[sh("echo first"), sh(&format!("echo second\n{failing}\necho never"))].concat()).await;
        let told = told.unwrap();
        assert!(told.starts_with("docs/page.md:4: ended with") && told.contains(failing), "{told}");
        assert!(!told.contains("\nfirst\n"), "{told}");
    }
}

#[tokio::test]
async fn another_output_is_told() {
    let told = problem(&[sh("echo 1"), "```text\n2\n```\n".to_owned()].concat()).await.unwrap();
    assert!(told.starts_with("docs/page.md:1: the page shows\n2\n") && told.contains("printed\n1"), "{told}");
}

#[tokio::test]
async fn a_terminal_beside_it_is_ended_with_ctrl_c_before_the_next() {
    let begin = |n: u8| {
        format!(
            "```sh background\ntrap 'echo end {n} >> log; exit' INT\necho 'not ready'; echo ready {n}\nwhile :; do sleep 0.1; done\n```\n"
        )
    };
    let page = [
        begin(1),
        sh("[ ! -e log ]"),
        begin(2),
        "```text\nready 2\n```\n".to_owned(),
        sh("cat log"),
        "```text\nend 1\n```\n".to_owned(),
    ];
    assert_eq!(problem(&page.concat()).await, None);
}

#[tokio::test]
async fn a_terminal_beside_it_that_ends_is_told() {
    let told = problem("```sh background\necho broken\nexit 3\n```\n").await.unwrap();
    assert!(told.contains("docs_page.md:1 ended") && told.contains("broken"), "{told}");
}
