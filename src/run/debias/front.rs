//! AUC against gap over the prices of utility and size.

use super::case::Case;
use super::config::{DebiasConfig, Method};
use super::record::FrontPoint;
use super::unit::Work;
use crate::editor::Settings;
use crate::run::error::RunError;
use crate::run::observer::Observer;
use crate::run::pool;
use crate::world::WorldKind;

/// λ and μ of the front.
const FRONT_LAMBDAS: [f32; 3] = [0.2, 0.5, 0.8];
const FRONT_PENALTIES: [f32; 4] = [0.0, 0.03, 0.1, 0.3];

/// Evaluations of a point of the front.
const FRONT_BUDGET: u64 = 500;

/// AUC against gap, by sep-CMA-ES, over λ and μ.
pub(super) fn front(
    config: &DebiasConfig,
    case: &Case,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Vec<FrontPoint>, RunError> {
    let editor = crate::editor::find("sep-cma-es")
        .ok_or_else(|| RunError::Failed("sep-cma-es is missing".into()))?;
    let layer = case.target.stack.find(&config.layer_name()).unwrap_or(0);
    let mut units = Vec::new();
    for &kind in &config.worlds {
        for lambda in FRONT_LAMBDAS {
            for size_penalty in FRONT_PENALTIES {
                units.push(Work {
                    config,
                    case,
                    method: Method::World(editor),
                    layer,
                    kind: Some(kind),
                    prices: Some((lambda, size_penalty)),
                    budget: FRONT_BUDGET,
                    settings,
                    policy: None,
                });
            }
        }
    }
    observer.phase("drawing the front", units.len());
    let found = pool::map(&units, config.threads, |unit| {
        let found = unit.run(observer);
        observer.finished("");
        found
    })?;
    let mut points: Vec<FrontPoint> = units
        .iter()
        .zip(&found)
        .map(|(unit, found)| FrontPoint {
            world: unit.kind.map_or("", WorldKind::name).into(),
            lambda: unit.prices.map_or(0.0, |prices| prices.0),
            size_penalty: unit.prices.map_or(0.0, |prices| prices.1),
            auc: found.after.auc,
            gap: found.after.fped_mean,
            matched_gap: found.after.matched_gap,
            best: false,
        })
        .collect();
    let all = points.clone();
    for point in &mut points {
        let figures = |point: &FrontPoint| point.auc.zip(point.gap);
        let Some((auc, gap)) = figures(point) else { continue };
        let better = |other: &FrontPoint| {
            other.world == point.world && figures(other).is_some_and(|(a, g)| a > auc && g < gap)
        };
        point.best = !all.iter().any(better);
    }
    Ok(points)
}
