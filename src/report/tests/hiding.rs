use super::*;

/// The fixture with probes, relearning and attacks.
fn examined() -> Results {
    let mut results = fixture();
    for run in &mut results.runs {
        let left = if run.editor == "retrain" { 0.85 } else { 0.95 } + 0.01 * run.seed as f64;
        run.probe_recovery = Some(left);
        run.probe_long = Some(left + 0.01);
        run.probe_mlp = Some(left + 0.02);
        run.probe_layers = [("conv1", 0.93), ("fc|2", left)]
            .map(|(layer, recovery)| LayerProbe { layer: layer.into(), recovery })
            .into();
        run.relearn_steps = Some(if run.editor == "retrain" { 10 } else { 3 } + run.seed);
        run.mia = Some(0.5);
        run.mia_threshold = Some(0.525);
        run.average_gap = run.tow.map(|tow| 1.0 - tow);
        run.classwise = Some(Classwise {
            before: vec![Some(0.5), None],
            after: vec![Some(1.0), None],
            predictions: vec![vec![4, 0], vec![0, 0]],
        });
    }
    results.runs[0].heat = Some(Heat { rows: 1, cols: 3, scale: 0.5, values: vec![-127, 0, 5] });
    results.summary = summarise(&results.runs);
    results
}

#[test]
fn markdown_puts_probes_relearning_and_attacks_in_a_table() {
    let text = markdown(&examined());
    for part in [
        "| probe 10 | 60 | MLP | relearn | MIA logistic | MIA threshold | gap | conv1 | fc\\|2 |\n",
        "| retrain | – | 86.0 ± 1.0 | 87.0 ± 1.0 | 88.0 ± 1.0 | 11.0 ± 1.0 | 0.500 ± 0.000 | 0.525 ± 0.000 \
         | 0.7 ± 0.0 | 93.0 ± 0.0 | 86.0 ± 1.0 |",
        "| none | – | 96.0 ± 1.0 |",
        "| ppo | mask |",
        "| average gap |",
    ] {
        assert!(text.contains(part), "no {part}:\n{text}");
    }
    // `none` has no tug-of-war score here, so no gap.
    assert!(text.contains("0.525 ± 0.000 | – |"), "{text}");
    assert!(!text.contains("are empty") && !text.contains("U-LiRA"));
    let mut cells = None;
    for line in text.lines() {
        let count = line.starts_with('|').then(|| line.replace("\\|", "").matches('|').count());
        assert!(count.is_none() || cells.is_none() || count == cells, "{line}");
        cells = count;
    }
}

#[test]
fn the_terminal_shows_them_in_100_columns() {
    let text = table(&examined());
    assert!(widest(&text) <= 100, "{text}");
    let row = text.lines().rfind(|line| line.starts_with("  retrain")).unwrap();
    let figures: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(figures, ["retrain", "86.0", "87.0", "88.0", "11.0", "0.500", "0.7"]);
    assert!(text.contains("  ppo, mask") && text.contains("class 7 read from"), "{text}");
    assert!(!table(&fixture()).contains("relearn"), "nothing where nothing was computed");
}

#[test]
fn csv_json_and_summary_hold_them() {
    let results = examined();
    let rows = parse_csv(&csv(&results));
    let column = |name: &str| rows[0].iter().position(|column| column == name).unwrap();
    let last = rows.last().unwrap();
    assert_eq!(last[column("probe_layers")], "conv1=0.93;fc|2=0.87");
    assert_eq!(last[column("relearn_steps")], "12");
    assert_eq!(last[column("mia_threshold")], "0.525");
    for metric in ["probe_recovery", "probe_long", "probe_mlp", "relearn_steps", "mia"] {
        assert_eq!(record(&results, "retrain", metric).unwrap().n, 3, "{metric}");
    }
    assert!(record(&results, "none", "average_gap").is_none());
    let text = json(&results);
    assert!(text.contains("\"values\": [-127, 0, 5]\n"), "numbers stand on one line");
    assert!(text.contains("\"before\": [0.5, null],\n") && text.contains(" [4, 0],\n"));
    assert_eq!(read_json(&text).unwrap().runs, results.runs);
}

/// Of samples drawn at random no class can be probed; what was attacked by likelihood ratios says so.
#[test]
fn reports_of_a_random_subset() {
    let mut results = examined();
    results.config.insert("forget_random".into(), value!(0.1));
    results.notes.push("Forgotten are 359 of the 3597 training samples".into());
    for run in &mut results.runs {
        run.forget.clear();
        (run.probe_recovery, run.probe_long, run.probe_mlp) = (None, None, None);
        (run.probe_layers, run.relearn_steps) = (Vec::new(), None);
        run.after.forget_test = run.after.retain_test + 0.01;
        run.lira = Some(LiraRecord { networks: 16, accuracy: 0.53, tpr: 0.021 });
    }
    results.summary = summarise(&results.runs);
    let text = markdown(&results);
    for part in [
        "# Forgetting 10 % of the training samples\n",
        "within 3 points of that on the test split",
        "**ppo in shift world**: done in 3 of 3",
        "having seen 16 of either kind",
        "| editor | world | MIA logistic | MIA threshold | gap | U-LiRA | TPR at 1 % |\n",
        "| 0.530 ± 0.000 | 0.021 ± 0.000 |",
        "Forgotten are 359",
    ] {
        assert!(text.contains(part), "no {part}:\n{text}");
    }
    assert!(!text.contains("*Probe*") && !text.contains("class 7"), "{text}");
    let shown = table(&results);
    assert!(widest(&shown) <= 100 && shown.contains("U-LiRA") && !shown.contains("relearn"));
    assert_eq!(record(&results, "ppo", "lira_accuracy").unwrap().mean, 0.53);
    let rows = parse_csv(&csv(&results));
    let column = rows[0].iter().position(|column| column == "lira_tpr").unwrap();
    assert_eq!((&*rows[1][column], rows.len()), ("0.021", results.runs.len() + 1));
    assert_eq!(read_json(&json(&results)).unwrap().runs, results.runs);
}
