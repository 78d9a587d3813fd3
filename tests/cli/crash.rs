//! The program is killed at every operation on the disk of a training, and each time the run goes on with other kernels and another
//! number of threads to the very bytes of a run that nothing disturbed.

use std::fs;

use crate::place::Place;

/// Fifteen epochs of the smallest network, some of which are the best so far.
const CONFIG: &str = r#"
[data]
source = "digits"
train = 96
validation = 40
test = 20
[model]
glimpses = 2
patch = 4
features = 4
glimpse_features = 4
hidden = 4
[optimiser]
learning_rate = 0.02
[train]
epochs = 15
batch = 32
"#;

const FILES: [&str; 5] =
    ["config.toml", "metrics.jsonl", "last.safetensors", "previous.safetensors", "best.safetensors"];

#[test]
fn a_run_survives_a_crash_at_every_operation_on_the_disk() {
    let place = Place::with_files(&[("small.toml", CONFIG)]);
    let train = "train --config small.toml --threads 1 --name";
    place.ram(&format!("{train} whole")).succeeds();
    let whole = FILES.map(|name| place.bytes(&format!("runs/whole/{name}")));

    let (mut killed, mut begun_again) = (0, 0);
    for at in 1.. {
        let crashed = place.ram_with("RAM_CRASH_AT", at.to_string(), &format!("{train} a"));
        if crashed.code == 0 {
            break;
        }
        assert_eq!(crashed.code, -1, "point {at} is no crash: {}{}", crashed.out, crashed.err);
        killed += 1;
        let run = place.path("runs/a");
        let go_on = if ["last", "previous", "best"].iter().any(|name| run.join(format!("{name}.safetensors")).exists())
        {
            "train --resume --name a --threads 2".to_owned()
        } else {
            // Before the first checkpoint there is nothing to resume, and the program says what to do.
            if run.join("run.json").exists() {
                place.ram("train --resume --name a").fails(4, &["no checkpoint yet", "--force"]);
            }
            begun_again += 1;
            format!(
                "train --config small.toml --threads 2 --name a{}",
                if run.join("run.json").exists() { " --force" } else { "" }
            )
        };
        let resumed = place.ram_with("RAM_KERNELS", "scalar", &go_on);
        assert_eq!(resumed.code, 0, "point {at}: {}{}", resumed.out, resumed.err);
        for (name, whole) in FILES.iter().zip(&whole) {
            assert!(place.bytes(&format!("runs/a/{name}")) == *whole, "point {at}: {name} differs");
        }
        let left: Vec<_> = fs::read_dir(&run)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".ram-tmp"))
            .collect();
        assert!(left.is_empty(), "point {at}: {left:?}");
        fs::remove_dir_all(&run).unwrap();
    }
    println!("{killed} crashes; {begun_again} of them before the first checkpoint");
    assert!(killed >= 200 && begun_again < 40, "{killed} crashes, {begun_again} before the first checkpoint");
}
