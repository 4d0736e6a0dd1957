use super::*;
use serde_json::json;

#[test]
fn plots_are_clean_on_any_figures() {
    let mut results = fixture();
    for run in &mut results.runs {
        run.after.groups[0].fpr = None;
        run.after.groups[1].gap_null = Some(f64::NAN);
        run.before.groups[2].fpr = Some(f64::INFINITY);
        for figures in [&mut run.before, &mut run.after] {
            figures.groups[3].name = "<b>\"&".into();
        }
    }
    results.front[0].auc = Some(f64::NAN);
    let groups = groups_svg(&results).expect("rates");
    let front = front_svg(&results).expect("points");
    for svg in [&groups, &front] {
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title id=\"title\">") && svg.contains("prefers-color-scheme: dark"));
        for bad in ["NaN", "inf", "<script", "<b>"] {
            assert!(!svg.contains(bad), "{bad} in\n{svg}");
        }
    }
    assert!(groups.contains("&lt;b&gt;&quot;&amp; (415)"));
    // A mark for each rate that is there: 9 groups and the key, less one of each kind.
    assert_eq!(groups.matches("class=\"ring rg\"").count(), 9);
    assert_eq!(groups.matches("<circle class=\"f0\"").count(), 9);
    assert_eq!(front.matches("<title>").count(), 23);
}

#[test]
fn rows_of_csv_and_json_hold_the_records() {
    let mut results = fixture();
    results.runs[0].editor = "a,\"b\"".into();
    results.runs[0].after.tpr = None;
    let text = debias_csv(&results);
    assert_eq!(text.lines().count(), 1 + results.runs.len());
    let mut reader = ::csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let heads = reader.headers().expect("heads").clone();
    let first = reader.records().next().expect("a row").expect("a row of as many fields");
    let field =
        |name: &str| first.get(heads.iter().position(|head| head == name).expect("a column"));
    assert_eq!(field("editor"), Some("a,\"b\""));
    assert_eq!(field("after_tpr"), Some(""));
    assert_eq!(field("before_tpr"), Some("0.87"));
    results.config.insert("lambda".into(), json!(0.5));
    let read: DebiasResults =
        serde_json::from_str(&debias_json(&results)).expect("JSON of the schema");
    assert_eq!(read, results);
}

/// Writes the plots and the report of the fixture to the folder that this variable names, to be looked at.
#[test]
fn pictures_can_be_looked_at() {
    let Some(dir) = std::env::var_os("REWEIGHT_PICTURES").map(std::path::PathBuf::from) else {
        return;
    };
    let results = fixture();
    for (name, text) in [
        ("report.md", Some(debias_markdown(&results))),
        ("pooled.md", Some(debias_markdown(&pooled()))),
        ("groups.svg", groups_svg(&results)),
        ("front.svg", front_svg(&results)),
    ] {
        std::fs::write(dir.join(name), text.expect("a text"))
            .expect("a folder that can be written");
    }
}
