//! `ram bench edges`

use std::path::PathBuf;
use std::sync::Mutex;

use ram::bench::{ANSWERING, Answer, Contender, EDGES};
use ram::figures::Format;
use ram::figures::axis::Axis;
use ram::figures::plot::{Curve, Plot, legend};
use ram::figures::scene::{Rect, Scene};
use ram::threads::Threads;

use super::report::{IMAGES, Report, Row, measured};
use crate::cli::look::write;
use crate::cli::output::complain;

/// Options of `ram bench edges`.
#[derive(clap::Args)]
pub struct Edges {
    /// The longest edge of an image, in pixels. An image of 16384×16384 pixels takes 256 MiB.
    #[arg(long, value_name = "PIXELS", default_value = "4096", value_parser = clap::value_parser!(u32).range(32..=16_384))]
    largest: u32,

    /// The number of rounds, in each of which every network answers at every edge.
    #[arg(long, value_name = "R", default_value = "9", value_parser = clap::value_parser!(u16).range(1..=9999))]
    pub rounds: u16,

    /// Also draw the times.
    #[arg(long, value_name = "FILE.png|.svg")]
    out: Option<PathBuf>,

    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Measures the answers of every network at every edge, and draws the times if that is asked for.
pub fn edges(args: &Edges) -> anyhow::Result<Report> {
    let format = args.out.as_deref().map(Format::of).transpose()?;
    let pool = Threads::new(Some(1))?;
    let wanted = |widest: usize| EDGES.into_iter().filter(move |&edge| edge <= widest.min(args.largest as usize));
    let (mut rows, mut answers, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (style, (kind, name, widest)) in ANSWERING.into_iter().enumerate() {
        for edge in wanted(widest) {
            answers.push(Mutex::new(Answer::new(kind, edge)?));
            places.push((style, edge));
            rows.push(Row {
                name: format!("{name}, {edge}x{edge}"),
                batch: None,
                threads: 1,
                processes: false,
                work: vec![(IMAGES, 1.0)],
                turns: Vec::new(),
                beside: None,
            });
        }
    }
    let contenders =
        answers.iter().map(|answer| Contender::new(&pool, || answer.lock().expect("no answer has panicked").run()));
    let report = Report::new("answer", 1, measured(&mut contenders.collect::<Vec<_>>(), args.rounds, rows)?);
    if let (Some(out), Some(format)) = (&args.out, format) {
        let times = report.rows.iter().map(Row::seconds);
        let points: Vec<_> = places.into_iter().zip(times).map(|((style, edge), s)| (style, edge, 1e6 * s)).collect();
        write(out, &format.write(&draw(&points)))?;
        complain(&format!("wrote {}", out.display()));
    }
    Ok(report)
}

/// The microseconds of an answer by the edge of the image, both on logarithmic axes. Points are (network, edge, microseconds).
fn draw(points: &[(usize, usize, f64)]) -> Scene {
    const WIDTH: f64 = 560.0;
    const HEIGHT: f64 = 340.0;
    const MARGIN: f64 = 16.0;
    // The edges are powers of two, side by side.
    let widest = points.iter().map(|&(_, edge, _)| edge).max().unwrap_or(0);
    let edges: Vec<usize> = EDGES.into_iter().filter(|&edge| edge <= widest).collect();
    let place = |edge: usize| edges.iter().position(|&other| other == edge).unwrap_or(0) as f64;
    let curves: Vec<Curve> = (0..ANSWERING.len())
        .map(|style| {
            let own = points.iter().filter(|(network, ..)| *network == style);
            Curve { style, points: own.map(|&(_, edge, time)| [place(edge), time]).collect() }
        })
        .collect();
    let names: Vec<String> = ANSWERING.iter().map(|(_, name, _)| (*name).to_owned()).collect();
    let mut scene = Scene::new(WIDTH, 0.0, "The time of an answer by the edge of the image");
    let rect = Rect::new(MARGIN, MARGIN, WIDTH - 2.0 * MARGIN, HEIGHT);
    if let Some(plot) = Plot::around(Plot::frame_in(rect), &curves, true) {
        let plot = Plot { across: Axis::Names(edges.iter().map(usize::to_string).collect()), ..plot };
        plot.draw_titled(&mut scene, rect, "microseconds for an answer, on one thread", "edge of the image, pixels");
        curves.iter().for_each(|curve| plot.curve(&mut scene, curve));
    }
    let below = legend(&mut scene, [MARGIN, rect.bottom()], WIDTH - 2.0 * MARGIN, &names);
    scene.height = rect.bottom() + below + MARGIN;
    scene
}
