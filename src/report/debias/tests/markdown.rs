use super::*;

#[test]
fn the_report_has_every_part_in_order() {
    let mut results = fixture();
    results.runs[4].words = vec![];
    let text = debias_markdown(&results);
    let mut from = 0;
    for head in [
        "# Debiasing toxicity-mlp",
        "## Editors",
        "### By reward alone, shift world",
        "### By reward alone, mask world",
        "### References",
        "## Groups",
        "## Kinds of comments",
        "## AUC against gap",
        "## Where this wins, and where not",
        "## Notes",
        "## To repeat it",
    ] {
        let at = text[from..].find(&format!("{head}\n"));
        from += at.unwrap_or_else(|| panic!("{head} is missing or out of order in\n{text}"));
    }
    for absent in ["## All folds", "## On ", "## Words", "## Examples"] {
        assert!(!text.contains(absent), "{absent} without figures");
    }
}

#[test]
fn the_opening_says_what_was_done_and_whether_it_worked() {
    let text = debias_markdown(&fixture());
    let opening =
        line(&text, "What was done: layer 64x16 (16 outputs × 64 inputs) of toxicity-mlp");
    // 0.128 · (0.44 + 0.45) / 2 and 0.128 · 0.81
    for part in [
        "with 2 seeds",
        "4,000 comments",
        "8,000 comments",
        "**It worked.**",
        "sep-cma-es in shift world, 64x16",
        "FPR gap 0.128 → 0.057 (0.014 by chance)",
        "matched threshold 0.128 → 0.104",
        "worst group 0.370 → 0.165",
        "AUC 0.927 → 0.933",
        "accuracy 0.866 → 0.876",
        "fell in 2 of 2 seeds",
    ] {
        assert!(opening.contains(part), "{part} is missing in {opening}");
    }
}

#[test]
fn the_verdict_follows_the_figures() {
    let outcome = |after: DebiasFigures| {
        let mut results = fixture();
        results.runs.truncate(1);
        results.runs[0].after = after;
        let text = debias_markdown(&results);
        let start = text.find("**").expect("a verdict") + 2;
        text[start..].split("**").next().expect("its end").to_string()
    };
    let good = || figures(0.4, 0.5, 0.93, 0.87);
    assert_eq!(outcome(good()), "It worked.");
    assert_eq!(
        outcome(figures(0.4, 0.5, 0.907, 0.86)),
        "It worked, at the price of 0.020 of AUC and 0.006 of accuracy."
    );
    assert!(outcome(figures(0.4, 0.95, 0.93, 0.87)).contains("because less is flagged"));
    assert_eq!(
        outcome(figures(0.8, 0.8, 0.93, 0.87)),
        "It worked in part: 80 % of the gap is left."
    );
    assert!(outcome(figures(1.2, 0.8, 0.93, 0.87)).contains("the gap did not fall"));
    let unmatched = DebiasFigures { matched_gap: None, ..good() };
    assert!(outcome(unmatched).contains("was not measured"));
    let undefined = DebiasFigures { fped_mean: None, matched_gap: None, ..good() };
    assert!(outcome(undefined).contains("undefined"));
    let mut chance = fixture();
    chance.runs.iter_mut().for_each(|run| run.before.gap_null_high = Some(0.2));
    assert!(debias_markdown(&chance).contains("one that chance gives too"));
}

#[test]
fn tables_of_editors_begin_with_the_unedited_network() {
    let text = debias_markdown(&fixture());
    let shift = section(&text, "### By reward alone, shift world");
    let rows: Vec<&str> = shift.lines().filter(|line| line.starts_with("| ")).collect();
    let unedited = "| unedited | – | – | 0.927 | 0.866 | 0.870 | 0.128 | 0.128 | 0.370 | 0.106 | 0.917 | 0.014 |";
    assert_eq!(rows[2], unedited, "rows {rows:?}");
    // Gaps 0.128 · 0.46 and 0.47: mean 0.05952, standard deviation 0.00091.
    assert!(
        rows[3]
            .starts_with("| ppo | 64x16 | 4,000 | 0.936 | 0.881 | 0.870 | 0.060 ± 0.001 | 0.106 |")
    );
    let references = section(&text, "### References");
    assert!(
        line(references, "| blindness")
            .starts_with("| blindness | – | – | no | no | yes | 0.894 |")
    );
    assert!(
        line(references, "| fine-tune")
            .starts_with("| fine-tune | – | – | yes | no | no | 0.951 |")
    );
    assert!(!references.contains("| none"), "the unedited network stands twice");
    let heads = shift.lines().find(|line| line.starts_with("| editor")).expect("heads");
    assert_eq!(heads.matches('|').count(), unedited.matches('|').count());
}

#[test]
fn the_papers_layer_is_called_what_it_is() {
    let mut results = fixture();
    let text = debias_markdown(&results);
    let says = line(&text, "The layer that the paper edits");
    assert!(
        says.contains("leaves 0.62 of the FPR gap and 0.97 of the gap at the matched threshold")
    );
    assert!(says.contains("a shift of the threshold"), "{says}");
    results.runs.retain(|run| run.target.layer != "16x2");
    assert!(!debias_markdown(&results).contains("the paper edits"));
}

#[test]
fn references_that_do_as_well_are_named() {
    let text = debias_markdown(&fixture());
    let says = section(&text, "## Where this wins, and where not");
    let named = "As well or better on both AUC and gap do fine-tune (AUC 0.951, gap 0.045, matched 0.082), \
                 given gradients.";
    assert!(says.contains(named), "{says}");
    assert!(says.contains("It does better than threshold"), "{says}");
    assert!(says.contains("behind on the other: blindness (AUC 0.894, gap 0.026"), "{says}");
    assert!(says.contains("int8"));
    let mut alone = fixture();
    alone.runs.retain(|run| run.world.is_some());
    let text = debias_markdown(&alone);
    assert!(section(&text, "## Where this wins, and where not").contains("No reference was run"));
}

#[test]
fn pooled_figures_say_whether_blindness_does_as_well() {
    let mut results = pooled();
    let text = debias_markdown(&results);
    let folds = section(&text, "## All folds together");
    assert!(
        line(folds, "| blindness").starts_with("| blindness | – | – | 12,183 | 0.934 | 0.859 |")
    );
    assert!(folds.contains("Blindness does as well as the best edit by reward alone, or better"));
    assert!(folds.contains("at most 0.018"), "{folds}");
    assert!(
        line(&text, "What was done").contains("FPR gap 0.099 → 0.077"),
        "the opening is not pooled"
    );
    results.pooled[3].after = figures(0.9, 0.9, 0.92, 0.859);
    assert!(
        debias_markdown(&results)
            .contains("The best edit by reward alone does better than blindness")
    );
    assert!(
        debias_markdown(&results).contains("It does better than blindness (AUC 0.920, gap 0.115")
    );
    results.pooled[3].after = figures(0.5, 0.5, 0.92, 0.859);
    assert!(debias_markdown(&results).contains("Neither blindness nor"));
    results.pooled.truncate(3);
    results.runs.retain(|run| run.editor != "blindness");
    assert!(debias_markdown(&results).contains("blindness was not run"));
}

#[test]
fn groups_kinds_and_the_front_have_their_figures() {
    let text = debias_markdown(&fixture());
    let groups = section(&text, "## Groups");
    assert!(groups.contains("(groups.svg)"));
    // 0.14 + 0.37 · 0.445; 0.37 · 0.81
    assert!(
        line(groups, "| gay").starts_with(
            "| gay | 760 | 380 | 0.510 → 0.305 | +0.370 → +0.165 | +0.370 → +0.300 | 0.009 → 0.071 | 0.015 |"
        ),
        "{groups}"
    );
    assert!(line(groups, "| mental_illness").contains("+0.010 → +0.004"));
    let kinds = section(&text, "## Kinds of comments");
    assert_eq!(line(kinds, "| attack"), "| attack | 2,000 | 0.897 | 0.903 | 0.639 |");
    assert_eq!(line(kinds, "| homonym"), "| homonym | 2,000 | – | – | – |");
    assert!(
        kinds.contains("costs 0.258 of AUC on attack, where the edit has 0.903 in place of 0.897")
    );
    let front = section(&text, "## AUC against gap");
    assert!(front.contains("(front.svg)"));
    assert_eq!(line(front, "| shift | 0.2 | 0 |"), "| shift | 0.2 | 0 | 0.926 | 0.050 | – | yes |");
}

#[test]
fn words_and_examples_cannot_break_the_page() {
    let mut results = fixture();
    for run in &mut results.runs {
        run.words =
            vec![ChangedWord { word: "a|b".into(), change: 0.25, weights: Some((2.62, 1.17)) }];
        run.examples = vec![ExampleText {
            text: "*you* are | <script>\n`x` a_b _c_ [d](e)".into(),
            toxic: false,
            before: 0.953,
            after: 0.44,
        }];
        run.elsewhere =
            vec![("test.csv".into(), figures(1.0, 1.0, 0.9, 0.8), figures(0.5, 0.9, 0.89, 0.8))];
    }
    let text = debias_markdown(&results);
    let words = section(&text, "## Words that changed most");
    assert!(words.contains("| a\\|b | 0.250 | 2.62 → 1.17 |"), "{words}");
    let examples = section(&text, "## Examples");
    let row =
        "| \\*you\\* are \\| \\<script\\> \\`x\\` a_b \\_c\\_ \\[d\\](e) | no | 0.953 | 0.440 |";
    assert!(examples.contains(row), "{examples}");
    assert!(text.contains("\\<comments\\> was skipped"), "notes are not escaped");
    let other = section(&text, "## On test.csv");
    assert!(
        line(other, "| fine-tune")
            .contains("0.900 → 0.890 | 0.800 → 0.800 | 0.870 → 0.870 | 0.128 → 0.064 |"),
        "{other}"
    );
    // The worst group's false positive rate: 0.14 + 0.37 and 0.14 + 0.37 / 2.
    assert!(line(other, "| fine-tune").contains("0.510 → 0.325"), "{other}");
}

#[test]
fn undefined_figures_are_dashes_and_no_runs_are_said() {
    let mut results = fixture();
    for run in &mut results.runs {
        run.before = DebiasFigures::default();
        run.after = DebiasFigures { auc: Some(f64::NAN), ..DebiasFigures::default() };
    }
    results.front.iter_mut().for_each(|point| (point.auc, point.gap) = (None, Some(f64::NAN)));
    let text = debias_markdown(&results);
    assert!(text.contains("| unedited | – | – | – | – | – | – | – | – | – | – | – |"), "{text}");
    assert!(line(&text, "| shift | 0.2 | 0 |").contains("| – | – | – |"));
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    assert_eq!((groups_svg(&results), front_svg(&results)), (None, None));

    let none = empty();
    assert!(debias_markdown(&none).contains("there are no runs"));
    assert_eq!((groups_svg(&none), front_svg(&none)), (None, None));
    assert_eq!(debias_csv(&none).lines().count(), 1);
    assert!(!debias_table(&none).is_empty());
}

#[test]
fn the_command_repeats_the_settings() {
    let command =
        |results: &DebiasResults| line(&debias_markdown(results), "reweight debias").to_string();
    assert_eq!(command(&fixture()), "reweight debias --seeds 2 --out report");
    let mut results = pooled();
    let config = DebiasConfig {
        data: Some("x".into()),
        layer: Some("embed".into()),
        worlds: vec![crate::world::WorldKind::Mask],
        editors: vec!["ppo".into(), "blindness".into()],
        groups: vec!["gay".into(), "it's".into()],
        set: vec![("learning_rate".into(), "0.01".into())],
        budget: Some(300),
        lambda: Some(0.7),
        step: Some(0.9),
        matched: true,
        folds: Some(5),
        ..DebiasConfig::default()
    };
    results.config = config.record();
    assert_eq!(
        command(&results),
        "reweight debias --data DATA --layer embed --world mask --budget 300 --step 0.9 --folds 5 --groups \
         'gay,it'\\''s' --lambda 0.7 --matched --set learning_rate=0.01 --no-front --editor ppo,blindness --out report"
    );
    let text = debias_markdown(&results);
    assert!(line(&text, "| lambda").contains("0.7 |"), "a widened setting");
    assert!(text.contains(&"ab".repeat(32)) && text.contains("0123456789abcdef"));
}
