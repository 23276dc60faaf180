use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use console::{Color, Style, Term};
use sea_mq_local::Notice;

/// Without a terminal the table is a line of the log like others, this often and when it changed.
const TABLE_EVERY: Duration = Duration::from_secs(10);
const NAME_WIDTH: usize = 18;
const COLOURS: [Color; 6] =
    [Color::Cyan, Color::Green, Color::Yellow, Color::Blue, Color::Magenta, Color::Red];

/// One log of all programs, and below it on a terminal a table that stays in place.
pub(crate) struct Screen {
    below: Option<Below>,
    shown: RefCell<Vec<String>>,
    shown_at: Cell<Option<Instant>>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let moves = std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|is| is != "dumb");
        let below = moves.then(Below::default);
        Self { below, shown: RefCell::default(), shown_at: Cell::new(None) }
    }

    /// What the system tells.
    pub(crate) fn tell(&self, notice: &Notice) {
        match notice {
            Notice::Step(text) => self.say(text),
            Notice::Line { program, line } => {
                // Whatever goes back to the beginning of its line would write over the name.
                self.plain(&format!("{} {}", prefix(program), line.replace('\r', " ")));
            }
            Notice::Program { program, what } => {
                let what = Style::new().bold().apply_to(format!("--- {what}"));
                self.plain(&format!("{} {what}", prefix(program)));
            }
        }
    }

    /// What this program has to say itself.
    pub(crate) fn say(&self, text: &str) {
        self.plain(&format!("{} {text}", prefix("dev")));
    }

    /// A line by itself.
    pub(crate) fn plain(&self, line: &str) {
        match &self.below {
            Some(below) => below.print(line),
            None => write(&format!("{line}\n")),
        }
    }

    /// The table as it is now; nothing takes it away.
    pub(crate) fn show(&self, lines: &[String]) {
        match &self.below {
            Some(below) => below.show(lines),
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

/// The lines below the log. The cursor stands at the beginning of the line after them, where what
/// is typed, such as Ctrl-C, does not move them.
#[derive(Default)]
struct Below(RefCell<Vec<String>>);

impl Below {
    fn print(&self, line: &str) {
        let lines = self.0.borrow();
        write(&format!("{}{line}\n{}", erased(lines.len()), drawn(&lines)));
    }

    fn show(&self, lines: &[String]) {
        let before = self.0.replace(lines.to_vec());
        write(&format!("{}{}", erased(before.len()), drawn(lines)));
    }
}

/// To the beginning of so many lines above, and clears what is below.
fn erased(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\r\x1b[{lines}A\x1b[J") }
}

/// Each within one line of the terminal.
fn drawn(lines: &[String]) -> String {
    let width = usize::from(Term::stdout().size().1).saturating_sub(1);
    lines.iter().map(|line| line.chars().take(width).chain(['\n']).collect::<String>()).collect()
}

/// All at once. A terminal that went away is no reason to stop.
fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    drop(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
}

/// Each program has a colour of its own where colours are shown.
fn prefix(program: &str) -> String {
    let mut hasher = DefaultHasher::new();
    program.hash(&mut hasher);
    let index = usize::try_from(hasher.finish() % COLOURS.len() as u64).unwrap_or_default();
    let style = COLOURS.get(index).map_or_else(Style::new, |colour| Style::new().fg(*colour));
    style.apply_to(format!("{program:NAME_WIDTH$} |")).to_string()
}
