//! The page as a parser meets it.

use super::super::tests::{fixture, one_seed};
use super::html;
use crate::report::summarise;
use crate::run::record::{Classwise, Heat, LayerProbe, Results, TrainFigures};

/// Elements that have no end tag.
const VOID: [&str; 9] = ["meta", "link", "img", "br", "path", "line", "rect", "circle", "!doctype"];

/// Walks over all tags: every end must fit the last open start. Returns the names of all starts.
fn parse(page: &str) -> Vec<String> {
    let (mut open, mut names): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let tag = &rest[start + 1..];
        let end = tag.find('>').expect("a tag that ends");
        let inside = &tag[..end];
        rest = &tag[end + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "…{inside}");
            continue;
        }
        let name = inside.split_whitespace().next().unwrap().to_string();
        assert_eq!(inside.matches('"').count() % 2, 0, "quotes: {inside}");
        names.push(name.clone());
        if name == "style" || name == "script" {
            rest = &rest[rest.find("</").expect("an end")..];
        }
        let titled = name == "rect" || name == "circle";
        if !inside.ends_with('/') && (titled || !VOID.contains(&name.as_str())) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
    names
}

fn whole() -> Results {
    let mut results = fixture();
    for run in &mut results.runs {
        run.classwise = Some(Classwise {
            before: vec![Some(0.9), None, Some(0.8)],
            after: vec![Some(0.95), None, Some(0.0)],
            predictions: vec![vec![9, 1, 0], vec![0, 0, 0], vec![4, 4, 2]],
        });
        run.heat = Some(Heat { rows: 2, cols: 2, scale: 1.5, values: vec![-127, 0, 5, 127] });
        run.after_train = Some(TrainFigures { retain: 0.99, forget: 0.0 });
        run.probe_recovery = Some(0.93);
        run.relearn_steps = Some(4);
        run.mia = Some(0.51);
        run.probe_layers = vec![LayerProbe { layer: "conv1".into(), recovery: 0.97 }];
    }
    results.summary = summarise(&results.runs);
    results
}

#[test]
fn the_page_is_well_formed_and_stands_alone() {
    for results in [fixture(), one_seed(), whole()] {
        let page = html(&results);
        let names = parse(&page);
        assert!(names.iter().any(|name| name == "table"));
        // The only addresses are names of namespaces.
        assert_eq!(
            page.matches("http").count(),
            page.matches("http://www.w3.org/2000/svg").count()
        );
        assert!(!page.contains("NaN") && !page.contains("inf"), "no figure that is none");
        for run in &results.runs {
            assert!(page.contains(&run.editor), "{}", run.editor);
            assert!(page.contains(&run.digest));
        }
    }
}

#[test]
fn what_was_computed_is_shown() {
    let bare = html(&fixture());
    assert!(bare.contains("None of this was computed in this run."));
    assert!(!bare.contains("data:image/png") && !bare.contains("id=\"classes\""));
    let page = html(&whole());
    assert!(page.contains("data:image/png;base64,"));
    assert!(
        page.contains("id=\"classes\"") && page.contains("(forgotten)") || page.contains("class 2")
    );
    assert!(page.contains("conv1 %"));
    // The first screen says whether the class is erased.
    let first = &page[..page.find("<nav").unwrap()];
    assert!(first.contains("Did it work") && first.contains("Is it erased"), "{first}");
}

#[test]
fn text_from_files_is_escaped() {
    let mut results = fixture();
    results.data.name = "<script>alert(1)</script>".into();
    results.runs[0].editor = "a\"b&c<d>".into();
    results.notes.push("1 < 2 & \"3\"".into());
    let page = html(&results);
    parse(&page);
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("1 &lt; 2 &amp; &quot;3&quot;"));
}

#[test]
fn no_run_at_all_is_a_page_too() {
    let mut results = fixture();
    results.runs.clear();
    results.summary.clear();
    parse(&html(&results));
}

#[test]
fn several_forget_sets_are_told_apart() {
    let mut results = whole();
    let more: Vec<_> = results
        .runs
        .iter()
        .map(|run| {
            let mut run = run.clone();
            run.forget = vec![2];
            run
        })
        .collect();
    results.runs.extend(more);
    results.summary = summarise(&results.runs);
    let page = html(&results);
    parse(&page);
    assert!(page.contains("one class at a time"));
    assert!(page.contains("after each was forgotten"));
}
