//! Progress: bars on a terminal, plain lines elsewhere, both on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use reweight::run::Observer;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Shows how far a command is.
pub(super) struct Progress {
    quiet: bool,
    terminal: bool,
    state: Mutex<State>,
}

struct State {
    bar: Option<ProgressBar>,
    name: String,
    units: usize,
    done: usize,
    fraction: f64,
    started: Instant,
    said: Instant,
}

/// Ticks of a bar per unit, so that it moves within a unit as well.
const TICKS: f64 = 1000.0;

/// Seconds between plain lines.
const PATIENCE: Duration = Duration::from_secs(5);

impl Progress {
    /// Progress on standard error, or none.
    pub(super) fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self {
            quiet,
            terminal: std::io::stderr().is_terminal(),
            state: Mutex::new(State {
                bar: None,
                name: String::new(),
                units: 0,
                done: 0,
                fraction: 0.0,
                started: now,
                said: now,
            }),
        }
    }

    /// Takes the bar away before results are printed.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        end_phase(&mut state, self.quiet || self.terminal);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn end_phase(state: &mut State, silent: bool) {
    if let Some(bar) = state.bar.take() {
        bar.finish_and_clear();
    }
    if !silent && !state.name.is_empty() && state.units > 0 {
        eprintln!("{}: done in {:.1} s", state.name, state.started.elapsed().as_secs_f64());
    }
    state.name.clear();
}

impl Observer for Progress {
    fn phase(&self, name: &str, units: usize) {
        if self.quiet {
            return;
        }
        let mut state = self.lock();
        end_phase(&mut state, self.terminal);
        if units == 0 {
            return;
        }
        if self.terminal {
            let style = "{msg:<36} {bar:30} {percent:>3} %  {elapsed}";
            let bar = ProgressBar::new((units as f64 * TICKS) as u64);
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.set_message(name.to_string());
            state.bar = Some(bar);
        } else {
            eprintln!("{name}: {units} units");
        }
        let now = Instant::now();
        (state.name, state.units, state.done, state.fraction) = (name.into(), units, 0, 0.0);
        (state.started, state.said) = (now, now);
    }

    fn advanced(&self, fraction: f64) {
        if self.quiet {
            return;
        }
        let mut state = self.lock();
        state.fraction += fraction;
        let reached = state.fraction.max(state.done as f64) * TICKS;
        if let Some(bar) = &state.bar {
            bar.set_position(reached as u64);
        }
    }

    fn warning(&self, text: &str) {
        let state = self.lock();
        let say = || eprintln!("warning: {text}");
        match &state.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    fn finished(&self, _unit: &str) {
        if self.quiet {
            return;
        }
        let mut state = self.lock();
        state.done += 1;
        let reached = state.fraction.max(state.done as f64) * TICKS;
        match &state.bar {
            Some(bar) => bar.set_position(reached as u64),
            None if state.said.elapsed() >= PATIENCE => {
                eprintln!("{}: {} of {}", state.name, state.done, state.units);
                state.said = Instant::now();
            }
            None => {}
        }
    }
}
