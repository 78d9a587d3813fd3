//! The machine that is measured.

/// The name of this processor, if the system gives one.
pub fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    model_name(&info).map_or_else(|| format!("unnamed {} processor", std::env::consts::ARCH), str::to_owned)
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let names = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    names.map(|(key, value)| (key.trim(), value.trim())).find(|&(key, _)| key == "model name").map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_from_cpuinfo() {
        let info = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: A CPU: 3 GHz\nflags\t\t: fpu\n";
        assert_eq!(model_name(info), Some("A CPU: 3 GHz"));
        assert_eq!(model_name("processor\t: 0\nBogoMIPS: 50.00"), None);
        assert!(!cpu().is_empty());
    }
}
