//! `report.md` and the terminal's text.

use super::super::words::{count, percent};
use super::cells::{Cell, FACTORS, cells, levels, over, worlds};
use super::words::{findings, what};
use crate::run::record::AblateResults;
use std::fmt::Write as _;

/// `report.md`: what was varied, what it shows, the effect of every setting, and every cell.
pub fn ablate_markdown(results: &AblateResults) -> String {
    let cells = cells(results);
    let mut text = format!("# Which settings matter\n\n{}\n\n", what(results, &cells));
    for finding in findings(&cells) {
        let _ = writeln!(text, "- {finding}");
    }
    for note in &results.notes {
        let _ = writeln!(text, "- {note}");
    }
    for world in worlds(&cells) {
        let ours: Vec<&Cell<'_>> =
            cells.iter().filter(|cell| cell.setting.world == world).collect();
        let _ = writeln!(
            text,
            "\n## {world} world: each setting by itself\n\nMeans over all cells of the grid with that level, in % \
             and points.\n\n| setting | level | cells | done % | forget % | its std | retain % | its std | policy's \
             retain std | to .95 |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        );
        for (name, of) in FACTORS {
            for level in levels(&ours, of) {
                let with: Vec<&Cell<'_>> =
                    ours.iter().filter(|cell| of(cell.setting) == level).copied().collect();
                let _ = writeln!(
                    text,
                    "| {name} | {level} | {} | {} | {} | {} | {} | {} | {} | {} |",
                    with.len(),
                    percent(over(&with, |cell| cell.done)),
                    percent(over(&with, |cell| cell.forget)),
                    percent(over(&with, |cell| cell.forget_std)),
                    percent(over(&with, |cell| cell.retain)),
                    percent(over(&with, |cell| cell.retain_std)),
                    percent(over(&with, |cell| cell.policy_retain_std)),
                    count(over(&with, |cell| cell.to_target)),
                );
            }
        }
    }
    let _ = writeln!(
        text,
        "\n## Every cell\n\n| world | T | rank | step | λ | reward | mean ± | log-std | done % | forget % ± | retain % \
         ± |\n| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |"
    );
    for cell in &cells {
        let s = cell.setting;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} ± {} | {} ± {} |",
            s.world,
            s.episode_length,
            s.rank,
            s.step,
            s.lambda,
            s.reward,
            s.initial_mean,
            s.log_std,
            percent(cell.done),
            percent(cell.forget),
            percent(cell.forget_std),
            percent(cell.retain),
            percent(cell.retain_std),
        );
    }
    text
}

/// What a terminal shows: the findings, and the effect of every setting.
pub fn ablate_text(results: &AblateResults) -> String {
    let cells = cells(results);
    let mut text = format!("{}\n", what(results, &cells));
    for finding in findings(&cells) {
        let _ = write!(text, "\n{finding}\n");
    }
    for world in worlds(&cells) {
        let ours: Vec<&Cell<'_>> =
            cells.iter().filter(|cell| cell.setting.world == world).collect();
        let _ = write!(
            text,
            "\n{world} world, means over the grid in % and points\n{:<16}{:>12}{:>8}{:>9}{:>7}{:>9}{:>7}{:>8}\n",
            "", "", "done", "forget", "std", "retain", "std", "to .95"
        );
        for (name, of) in FACTORS {
            for (index, level) in levels(&ours, of).iter().enumerate() {
                let with: Vec<&Cell<'_>> =
                    ours.iter().filter(|cell| of(cell.setting) == *level).copied().collect();
                let _ = writeln!(
                    text,
                    "{:<16}{level:>12}{:>8}{:>9}{:>7}{:>9}{:>7}{:>8}",
                    if index == 0 { name } else { "" },
                    percent(over(&with, |cell| cell.done)),
                    percent(over(&with, |cell| cell.forget)),
                    percent(over(&with, |cell| cell.forget_std)),
                    percent(over(&with, |cell| cell.retain)),
                    percent(over(&with, |cell| cell.retain_std)),
                    count(over(&with, |cell| cell.to_target)),
                );
            }
        }
    }
    text
}
