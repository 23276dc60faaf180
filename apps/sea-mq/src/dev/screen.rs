use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use console::{Color, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sea_mq_local::Notice;

/// Without a terminal the table is a line of the log like others, this often and when it changed.
const TABLE_EVERY: Duration = Duration::from_secs(10);
const NAME_WIDTH: usize = 18;
const COLOURS: [Color; 6] =
    [Color::Cyan, Color::Green, Color::Yellow, Color::Blue, Color::Magenta, Color::Red];

/// One log of all programs, and below it on a terminal a table that stays in place.
pub(crate) struct Screen {
    table: Option<Table>,
    shown: RefCell<Vec<String>>,
    shown_at: Cell<Option<Instant>>,
}

/// The lines that stay in place.
struct Table {
    all: MultiProgress,
    lines: RefCell<Vec<ProgressBar>>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let table = std::io::stdout().is_terminal().then(|| Table {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
            lines: RefCell::default(),
        });
        Self { table, shown: RefCell::default(), shown_at: Cell::new(None) }
    }

    /// What the system tells.
    pub(crate) fn tell(&self, notice: &Notice) {
        match notice {
            Notice::Step(text) => self.say(text),
            Notice::Line { program, line } => self.plain(&format!("{} {line}", prefix(program))),
            Notice::Program { program, what } => {
                let what = Style::new().bold().apply_to(format!("--- {program} {what}"));
                self.plain(&format!("{} {what}", prefix(program)));
            }
        }
    }

    /// What this program has to say itself.
    pub(crate) fn say(&self, text: &str) {
        self.plain(&format!("{} {text}", prefix("dev")));
    }

    /// A line by itself. A terminal that went away is no reason to stop.
    pub(crate) fn plain(&self, line: &str) {
        match &self.table {
            Some(table) => drop(table.all.println(line)),
            None => drop(writeln!(std::io::stdout().lock(), "{line}")),
        }
    }

    /// The table as it is now; nothing takes it away.
    pub(crate) fn show(&self, lines: &[String]) {
        match &self.table {
            Some(table) => table.show(lines),
            None => self.log(lines),
        }
    }

    fn log(&self, lines: &[String]) {
        let due = self.shown_at.get().is_none_or(|at| at.elapsed() >= TABLE_EVERY);
        if lines.is_empty() || !due || *self.shown.borrow() == lines {
            return;
        }
        self.shown_at.set(Some(Instant::now()));
        self.shown.replace(lines.to_vec());
        lines.iter().for_each(|line| self.plain(line));
    }
}

impl Table {
    fn show(&self, lines: &[String]) {
        let mut bars = self.lines.borrow_mut();
        while bars.len() > lines.len() {
            if let Some(bar) = bars.pop() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        }
        while bars.len() < lines.len() {
            let style = ProgressStyle::with_template("{wide_msg}");
            let bar = self.all.add(ProgressBar::new_spinner());
            bars.push(style.map_or(bar.clone(), |style| bar.with_style(style)));
        }
        for (bar, line) in bars.iter().zip(lines) {
            bar.set_message(line.clone());
            bar.tick();
        }
    }
}

/// Each program has a colour of its own where colours are shown.
fn prefix(program: &str) -> String {
    let mut hasher = DefaultHasher::new();
    program.hash(&mut hasher);
    let index = usize::try_from(hasher.finish() % COLOURS.len() as u64).unwrap_or_default();
    let style = COLOURS.get(index).map_or_else(Style::new, |colour| Style::new().fg(*colour));
    style.apply_to(format!("{program:NAME_WIDTH$} |")).to_string()
}
