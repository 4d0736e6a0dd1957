//! A random subset of the training samples, to be forgotten.

use super::config::UnlearnConfig;
use super::error::RunError;
use super::prepare::Prepared;
use crate::editor::{self, EditorInfo, EditorKind, View};
use crate::rng::{Purpose, Rng};
use crate::task::Subset;

/// The samples that were drawn, and the data as an editor and the figures take them.
pub(super) struct Drawn {
    /// Of every training sample, whether it is to be forgotten.
    chosen: Vec<bool>,
    /// Size of the reward split.
    first: usize,
    /// The data, their reward part followed by the samples to forget.
    pub(super) data: Prepared,
}

impl Drawn {
    /// Draws `share` (between 0 and 1) of the training samples by the split seed: at least one, and not
    /// all.
    pub(super) fn new(data: &Prepared, share: f64, split_seed: u64) -> Self {
        let total = data.train.len();
        let count = ((share * total as f64).round() as usize).min(total.saturating_sub(1)).max(1);
        let mut order: Vec<usize> = (0..total).collect();
        Rng::new(split_seed, Purpose::Subset).shuffle(&mut order);
        order.truncate(count);
        order.sort_unstable();
        let mut chosen = vec![false; total];
        order.iter().for_each(|&index| chosen[index] = true);
        let reward = data.reward.followed_by(&data.train_panels, &order);
        let first = data.reward.len();
        Self { chosen, first, data: Prepared { reward, ..data.clone() } }
    }

    /// As the task takes it.
    pub(super) fn subset(&self) -> Subset<'_> {
        Subset { train: &self.chosen, first: self.first }
    }

    /// Number of samples to forget.
    pub(super) fn len(&self) -> usize {
        self.data.reward.len() - self.first
    }

    /// What a report must say of the figures.
    pub(super) fn note(&self) -> String {
        format!(
            "Forgotten are {} of the {} training samples, drawn at random by the split seed. *Forget* is \
             the accuracy on those samples, *retain* that on the whole test split; the edit term is 1 − \
             |accuracy on them − accuracy on the reward split|. Forgetting them means to answer them like \
             samples that were never seen, as `retrain` does, not to fail on them. Probes and relearning \
             do not apply; MIA tells the forgotten samples from the test split.",
            self.len(),
            self.chosen.len()
        )
    }
}

/// Fewest networks of U-LiRA: two for either half of the retrained ones.
const LEAST_LIRA: usize = 4;

/// Checks what a configuration says of samples to forget, and of attacks on them.
///
/// # Errors
/// [`RunError::Usage`].
pub(super) fn validate(config: &UnlearnConfig) -> Result<(), RunError> {
    let usage = |message: String| Err(RunError::Usage(message));
    if let Some(networks) = config.lira {
        if networks < LEAST_LIRA {
            return usage(format!("--lira {networks}: at least {LEAST_LIRA} networks are needed"));
        }
        if config.forget_random.is_none() {
            return usage(
                "--lira: it tells single samples apart, so --forget-random has to say how many are \
                 forgotten"
                    .into(),
            );
        }
        if config.editors.iter().all(|name| name != "retrain") {
            return usage(
                "--lira: it needs networks that never saw the samples: name retrain with --editor"
                    .into(),
            );
        }
    }
    let Some(share) = config.forget_random else { return Ok(()) };
    if !(share > 0.0 && share < 1.0) {
        let percent = 100.0 * share;
        return usage(format!("--forget-random {percent} %: more than 0 and less than 100 %"));
    }
    if config.model.is_some() {
        return usage(
            "--forget-random: it forgets training samples, and what the network of --model was trained \
             on is not known"
                .into(),
        );
    }
    if config.erase.is_some() || config.then_mask {
        return usage(
            "--forget-random: it forgets single samples; --erase and --then-mask are about classes"
                .into(),
        );
    }
    let of_classes = |name: &&String| editor::find(name).is_some_and(class_only);
    match config.editors.iter().find(of_classes) {
        Some(name) => usage(format!(
            "--editor {name}: it forgets classes; --forget-random forgets single samples"
        )),
        None => Ok(()),
    }
}

/// Whether an editor needs classes to forget: it looks at what a class has in common, works on a class's
/// own output, or goes on until nothing that is forgotten is answered rightly.
fn class_only(editor: &EditorInfo) -> bool {
    let by_output = ["logit-mask", "unsir", "fisher-reset", "gradient-ascent"];
    editor.view != View::None
        || editor.kind == EditorKind::Closed
        || by_output.contains(&editor.name)
}
