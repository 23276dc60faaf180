use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

/// What a system tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A step of the start has begun.
    Step(String),
    /// A program wrote a line.
    Line {
        /// Its name within the system.
        program: String,
        /// The line, without its end.
        line: String,
    },
    /// What became of a program or server, and what is done about it: it ended and is started again.
    Program {
        /// Its name within the system.
        program: String,
        /// What happened.
        what: String,
    },
}

/// Where notices go. Nobody has to listen.
#[derive(Clone, Debug)]
pub struct Notices(UnboundedSender<Notice>);

impl Notices {
    /// Notices that arrive at the other end of this channel.
    #[must_use]
    pub fn to(sender: UnboundedSender<Notice>) -> Self {
        Self(sender)
    }

    pub(crate) fn step(&self, text: impl Into<String>) {
        self.tell(Notice::Step(text.into()));
    }

    pub(crate) fn line(&self, program: &str, line: String) {
        self.tell(Notice::Line { program: program.to_owned(), line });
    }

    pub(crate) fn program(&self, program: &str, what: impl Into<String>) {
        self.tell(Notice::Program { program: program.to_owned(), what: what.into() });
    }

    /// Once per end: what follows is said by the program itself.
    pub(crate) fn ended(&self, program: &str, status: ExitStatus, wait: Duration) {
        self.program(program, format!("ended ({status}); it is started again in {wait:?}"));
    }

    fn tell(&self, notice: Notice) {
        // A listener that has gone misses nothing that it wanted.
        drop(self.0.send(notice));
    }
}
