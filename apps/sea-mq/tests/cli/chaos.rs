use crate::program::sea_mq;

#[test]
fn an_unknown_fault_is_answered_with_those_that_there_are() {
    let run = sea_mq(&["chaos", "--fault", "kill-everything"]);
    run.refused(2, "there is no fault `kill-everything`");
    for known in ["kill-worker", "freeze-leader", "purge-stream", "rolling-migration"] {
        assert!(run.err.contains(known), "{run:?}");
    }
}

#[test]
fn a_folder_that_holds_something_of_others_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let kept = crate::program::file(&folder, "precious.txt", "mine");
    // Something that is a file, in the place of Python.
    let run = sea_mq(&["chaos", "--folder", folder.path().to_str().unwrap(), "--python", &kept]);
    run.refused(64, "not of an earlier run");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_run_without_python_for_its_handlers_says_so_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("chaos");
    let run = sea_mq(&[
        "chaos",
        "--seed",
        "1",
        "--folder",
        state.to_str().unwrap(),
        "--python",
        folder.path().join("absent").to_str().unwrap(),
    ]);
    run.refused(64, "make handlers-venv");
    assert!(!state.exists(), "it was begun");
}
