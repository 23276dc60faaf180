//! The expression engine as policies meet it.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use sea_adapters::CelRules;
use sea_domain::{Expression, Verdict};
use sea_ports::{Facts, RuleEngine as _};
use serde_json::{Value, json};

fn facts(value: Value) -> Facts {
    let Value::Object(object) = value else { panic!("facts are an object") };
    Facts::new(object).unwrap()
}

async fn verdict(text: &str, over: Value) -> Verdict {
    let expression = Expression::parse(text).unwrap();
    CelRules::new().evaluate(vec![expression], &facts(over)).await.unwrap().remove(0)
}

/// `None`: it may be a policy's.
async fn fault(text: &str) -> Option<String> {
    let expression = Expression::parse(text).unwrap();
    CelRules::new().check(&expression).await.unwrap().err().map(|fault| fault.to_string())
}

#[tokio::test]
async fn expressions_say_what_they_say() {
    for (text, over, holds) in [
        ("facts.score >= 40", json!({"score": 40}), true),
        ("facts.score >= 40", json!({"score": 39}), false),
        ("facts.score >= 40", json!({"score": 39.9}), false),
        ("facts.score - 1 < 40", json!({"score": 40}), true),
        ("facts.title != ''", json!({"title": ""}), false),
        ("has(facts.score)", json!({}), false),
        ("!has(facts.score) || facts.score > 3", json!({}), true),
        ("facts.tags.all(t, t.size() < 5 && t in ['a', 'bb'])", json!({"tags": ["a", "bb"]}), true),
        ("facts.tags.exists_one(t, t == 'a')", json!({"tags": ["a", "a"]}), false),
        (
            "facts.tags.filter(t, t.startsWith('a')).map(t, t + '!') == ['ab!']",
            json!({"tags": ["ab", "c"]}),
            true,
        ),
        ("facts.a.b[1]['c d'] == null", json!({"a": {"b": [0, {"c d": null}]}}), true),
        ("facts.flag", json!({"flag": true}), true),
        ("facts.big > 3", json!({"big": u64::MAX}), true),
    ] {
        let wanted = if holds { Verdict::Holds } else { Verdict::Violated };
        assert_eq!(verdict(text, over.clone()).await, wanted, "{text} over {over}");
    }
}

#[tokio::test]
async fn what_fails_over_the_facts_says_why() {
    for (text, over, part) in [
        ("facts.score >= 40", json!({}), "score"),
        ("facts.score >= 40", json!({"score": "x"}), "no matching overload"),
        ("facts.flag", json!({"flag": 3}), "neither true nor false but int"),
        ("facts.a / facts.b > 1", json!({"a": 1, "b": 0}), "zero"),
        ("facts.a * facts.a > 1", json!({"a": i64::MAX}), "verflow"),
        ("facts.score >= ", json!({}), "does not compile"),
    ] {
        let Verdict::Failed(why) = verdict(text, over).await else { panic!("{text}") };
        assert!(why.contains(part), "{text}: {why}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_policy_is_refused_where_it_stands() {
    for (text, wanted) in [
        ("facts.score >=", "line 1, column"),
        ("facts.a &&\n  facts..b", "line 2, column"),
        ("score >= 40", "line 1, column 1: unknown name `score`: a fact is written `facts.score`"),
        ("true && (\n lower(facts.a) == 'a')", "line 2, column"),
        ("facts.score + 1", "true or false, this is a sum"),
        ("'yes'", "this is a text"),
        ("facts", "this is all the facts"),
        ("facts.l.map(x, x)", "this is a list"),
        ("size(facts.l)", "this is a number"),
        ("has(facts.a) ? 1 : 2", "this is a number"),
        ("optional.of(1).hasValue()", "unknown function `hasValue`"),
        ("Thing{a: 1} == facts.a", "Thing"),
        ("facts.a == b'x'", "bytes"),
        ("facts.l.all(x, x.all(y, y.all(z, z.all(w, true))))", "loops inside each other"),
        ("facts.l.all(x, y)", "unknown name `y`"),
    ] {
        let found = fault(text).await.unwrap_or_default();
        assert!(found.contains(wanted), "{text}: {found}");
    }
    for text in
        ["facts.flag", "facts.l.exists_one(x, x == 1)", "facts.l.all(x, x > 0)", "has(facts.a)", "!facts.a"]
    {
        assert_eq!(fault(text).await, None, "{text}");
    }
}

/// The deepest that fit into 2,000 bytes, of each kind of nesting: refused, and nobody falls.
#[tokio::test]
async fn no_nesting_takes_the_program_down() {
    let half = "facts.a";
    for text in [
        format!("{}true{}", "(".repeat(990), ")".repeat(990)),
        format!("{}facts{} == 1", "[".repeat(990), "]".repeat(990)),
        format!("{}1{} == 1", "{1:".repeat(480), "}".repeat(480)),
        format!("{}true", "!".repeat(1990)),
        format!("{}1 == 1", "-".repeat(1990)),
        format!("{}1 == 1", "- ".repeat(990)),
        format!("1{} == 1", "+1".repeat(990)),
        format!("facts{} == 1", ".a".repeat(990)),
        format!("facts{} == 1", "[0]".repeat(650)),
        format!("facts{} == 1", ".a()".repeat(490)),
        format!("{}true", "true?true:".repeat(199)),
        format!("{}true", "true||".repeat(330)),
        format!("{}true", "true&&".repeat(330)),
        format!("{}true{}", "size(".repeat(320), ")".repeat(320)),
        format!("{half}{}", " == 1".repeat(390)),
        format!("{}true{}", "[1].all(x,".repeat(180), ")".repeat(180)),
        "(".repeat(2000),
        "[".repeat(2000),
        "a.".repeat(1000),
        "!".repeat(2000),
        "\"".repeat(1999),
        "{".repeat(2000),
    ] {
        let found = fault(&text).await;
        // The parser balances these, and takes pairs of `!` and of `-` away.
        let flat = ["||", "&&", "!!", "--", "- -"].iter().any(|pair| text.contains(pair));
        assert!(found.is_some() || flat, "{}…", &text[..30]);
    }
}

/// What would run for ages or fill the memory is refused before it starts.
#[tokio::test]
async fn work_is_bounded_before_it_starts() {
    let list: Vec<u8> = vec![1; 30_000];
    let long = "x".repeat(60_000);
    let doubling = |count: usize| format!("['aaaaaaaa']{}.size() > 0", ".map(a,a+a)".repeat(count));
    for (text, over) in [
        ("facts.l.all(x, facts.l.all(y, x == y))".to_owned(), json!({"l": list})),
        (
            "facts.l.all(x, facts.l.filter(y, facts.l.exists(z, z == x)).size() > 0)".to_owned(),
            json!({"l": list}),
        ),
        ("facts.l.all(x, x.all(y, x.all(z, y == z)))".to_owned(), json!({"l": [list]})),
        (format!("(facts.s{}).size() > 0", "+facts.s".repeat(50)), json!({"s": long})),
        (format!("[facts.s]{}.size() > 0", ".map(a,a+a)".repeat(40)), json!({"s": "x"})),
        (format!("[facts.s]{}.size() > 0", ".map(a,[a,a])".repeat(40)), json!({"s": "x"})),
    ] {
        let started = Instant::now();
        let Verdict::Failed(why) = verdict(&text, over).await else { panic!("{text}") };
        assert!(why.contains("steps") || why.contains("too much work"), "{text}: {why}");
        assert!(started.elapsed() < Duration::from_secs(5), "{text}");
    }
    assert!(fault(&doubling(100)).await.is_some());
    let over = json!({"l": list});
    assert_eq!(
        verdict("facts.l.all(x, x > 0)", over).await,
        Verdict::Holds,
        "one loop over the largest facts"
    );
}

/// The dearest that is allowed takes a moment, not more.
#[tokio::test]
async fn what_is_allowed_ends_soon() {
    let list: Vec<u8> = vec![1; 300];
    let started = Instant::now();
    let over = json!({"l": &list[..100]});
    assert_eq!(verdict("facts.l.all(x, facts.l.all(y, x == y))", over).await, Verdict::Holds);
    assert!(started.elapsed() < Duration::from_secs(5));
}
