//! The table of runs whose digests are the same on every machine (`tests/device.txt`).
#![no_std]
#![no_main]

use reweight::kernel::Kernel;
use reweight_cortex_m::data::{Digits, REWARD, TAIL, TAIL_LAYERS};
use reweight_cortex_m::runs::{self, Fault, Subject, TABLE_DIGITS, TableMemory};
use reweight_cortex_m::{device, slab};

#[cortex_m_rt::entry]
fn main() -> ! {
    device::end(run())
}

fn run() -> Result<bool, Fault> {
    let kernel = Kernel::auto();
    let taken = slab!(f32, Digits::activations_len(TABLE_DIGITS));
    REWARD.activations(kernel, TABLE_DIGITS, taken)?;
    let stack = &TAIL_LAYERS;
    let labels = REWARD.labels.get(..TABLE_DIGITS).unwrap_or_default();
    let subject = Subject::new(kernel, stack, &TAIL, taken, labels);
    let (world, agent, ints) = runs::table_needs(&subject)?;
    let mut memory = TableMemory {
        world: device::cut(slab!(f32, 18_000), world.f32s)?,
        agent: device::cut(slab!(f32, 6_000), agent.f32s)?,
        indices: device::cut(slab!(u32, 16), agent.u32s)?,
        i8s: device::cut(slab!(i8, 40_000), ints.i8s)?,
        i32s: device::cut(slab!(i32, 10_000), ints.i32s)?,
    };
    runs::table(&subject, &mut memory, &mut device::say_digest)?;
    Ok(true)
}
