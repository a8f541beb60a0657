//! Fills a workspace with a team's year of runs, to look at the dashboard and the server with it:
//! `cargo bench --bench crowd -- --workspace DIR [--runs 100000] [--points 50000000] [--experiment crowd]
//! [--long-runs 3] [--long-points 100000]`. No daemon may run there. Without `--workspace` it says so and does nothing.

#![allow(clippy::print_stdout)]

#[path = "shared/crowd.rs"]
mod crowd;

use crowd::Crowd;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut workspace = None;
    let mut asked = Crowd {
        experiment: "crowd".to_owned(),
        runs: 100_000,
        points: 50_000_000,
        long_runs: 3,
        long_points: 100_000,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        // cargo adds this one
        if name == "--bench" {
            continue;
        }
        let value = arguments
            .next()
            .ok_or_else(|| format!("a value is missing after `{name}`"))?;
        match name.as_str() {
            "--workspace" => workspace = Some(PathBuf::from(value)),
            "--experiment" => asked.experiment = value,
            "--runs" => asked.runs = value.parse()?,
            "--points" => asked.points = value.parse()?,
            "--long-runs" => asked.long_runs = value.parse()?,
            "--long-points" => asked.long_points = value.parse()?,
            other => return Err(format!("there is no option `{other}`").into()),
        }
    }
    let Some(workspace) = workspace else {
        println!("crowd: nothing to fill without `--workspace DIR`");
        return Ok(());
    };
    let services = crowd::open(&workspace)?;
    let began = Instant::now();
    let mut said = 0;
    crowd::fill(&services, &asked, |runs| {
        if runs * 20 / asked.runs.max(1) > said {
            said = runs * 20 / asked.runs.max(1);
            println!("{runs} runs after {:.0} s", began.elapsed().as_secs_f64());
        }
    })?;
    println!(
        "{} runs in {:.0} s: {}",
        asked.runs,
        began.elapsed().as_secs_f64(),
        workspace.display()
    );
    Ok(())
}
