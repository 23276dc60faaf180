use std::fmt;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    CaseCreated, CaseTitle, CreatedTask, DomainError, PersonName, SeaEvent, TaskCompleted, TaskTitle, VibeRef,
};

/// Most tasks that a case is opened with.
pub const MAX_TASKS: usize = 20;

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

identity!(
    /// Identity of a case.
    CaseId
);
identity!(
    /// Identity of a task.
    TaskId
);

/// Whether work on a case is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseState {
    /// From the beginning until its last open task is completed.
    Open,
    /// All its tasks are done.
    Closed,
}

impl CaseState {
    /// The word for it, everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    /// From the word for it.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] names the words there are.
    pub fn parse(word: &str) -> Result<Self, DomainError> {
        match word {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            other => Err(DomainError::invalid("state", format!("`{other}` is neither `open` nor `closed`"))),
        }
    }
}

/// What a task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Somebody is to judge.
    Review,
    /// Somebody is to do something.
    FollowUp,
}

impl TaskKind {
    /// The word for it, everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::FollowUp => "follow_up",
        }
    }

    /// From the word for it.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] names the words there are.
    pub fn parse(word: &str) -> Result<Self, DomainError> {
        match word {
            "review" => Ok(Self::Review),
            "follow_up" => Ok(Self::FollowUp),
            other => {
                Err(DomainError::invalid("kind", format!("`{other}` is neither `review` nor `follow_up`")))
            }
        }
    }
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// To be done.
    Open,
    /// Done, once and for all.
    Done {
        /// By whom.
        by: PersonName,
        /// When, UTC.
        at: OffsetDateTime,
    },
}

/// A task of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its identity.
    pub task_id: TaskId,
    /// What it asks for.
    pub kind: TaskKind,
    /// Its title.
    pub title: TaskTitle,
    /// Where it stands.
    pub state: TaskState,
}

impl Task {
    fn is_open(&self) -> bool {
        self.state == TaskState::Open
    }
}

/// A task that a case is to be opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// The identity it gets.
    pub task_id: TaskId,
    /// What it asks for.
    pub kind: TaskKind,
    /// Its title.
    pub title: TaskTitle,
}

/// A case as it was stored, field by field; see [`Case::restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCase {
    /// Its identity.
    pub case_id: CaseId,
    /// Its title.
    pub title: CaseTitle,
    /// The vibe that it is about.
    pub vibe_id: Option<VibeRef>,
    /// Whether work is left.
    pub state: CaseState,
    /// When it was opened, UTC.
    pub opened_at: OffsetDateTime,
    /// From 1; one more with each change.
    pub revision: i64,
    /// Its tasks, in the order in which they were added.
    pub tasks: Vec<Task>,
}

/// Something to be settled, with the tasks that settle it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case(StoredCase);

impl Case {
    /// Opens a case.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] for more than [`MAX_TASKS`] tasks.
    pub fn open(
        case_id: CaseId,
        title: CaseTitle,
        vibe_id: Option<VibeRef>,
        tasks: Vec<NewTask>,
        now: OffsetDateTime,
    ) -> Result<(Self, SeaEvent), DomainError> {
        if tasks.len() > MAX_TASKS {
            let problem =
                format!("a case is opened with at most {MAX_TASKS} tasks, here are {}", tasks.len());
            return Err(DomainError::invalid("tasks", problem));
        }
        let created = |task: &NewTask| CreatedTask {
            task_id: task.task_id,
            kind: task.kind,
            title: task.title.clone(),
        };
        let event = SeaEvent::CaseCreated(CaseCreated {
            case_id,
            title: title.clone(),
            vibe_id: vibe_id.clone(),
            tasks: tasks.iter().map(created).collect(),
            opened_at: now,
        });
        let open = |task: NewTask| Task {
            task_id: task.task_id,
            kind: task.kind,
            title: task.title,
            state: TaskState::Open,
        };
        let case = Self(StoredCase {
            case_id,
            title,
            vibe_id,
            state: CaseState::Open,
            opened_at: now,
            revision: 1,
            tasks: tasks.into_iter().map(open).collect(),
        });
        Ok((case, event))
    }

    /// A case as it was stored: nothing is checked, nothing has happened.
    #[must_use]
    pub fn restore(stored: StoredCase) -> Self {
        Self(stored)
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> &StoredCase {
        &self.0
    }

    /// Completes one of its tasks. The last one closes the case.
    ///
    /// # Errors
    /// [`DomainError::UnknownTask`], [`DomainError::AlreadyCompleted`]; the case is as before.
    pub fn complete_task(
        &mut self,
        task_id: TaskId,
        by: PersonName,
        now: OffsetDateTime,
    ) -> Result<SeaEvent, DomainError> {
        let task = self.0.tasks.iter_mut().find(|task| task.task_id == task_id);
        let task = task.ok_or(DomainError::UnknownTask(task_id))?;
        if let TaskState::Done { by, .. } = &task.state {
            return Err(DomainError::AlreadyCompleted { task: task_id, by: by.as_str().to_owned() });
        }
        task.state = TaskState::Done { by: by.clone(), at: now };
        let kind = task.kind;
        self.0.revision += 1;
        let open_tasks = self.open_tasks();
        if open_tasks == 0 {
            self.0.state = CaseState::Closed;
        }
        Ok(SeaEvent::TaskCompleted(TaskCompleted {
            case_id: self.0.case_id,
            task_id,
            kind,
            completed_by: by,
            completed_at: now,
            open_tasks,
        }))
    }

    /// How many of its tasks are to be done.
    #[must_use]
    pub fn open_tasks(&self) -> usize {
        self.0.tasks.iter().filter(|task| task.is_open()).count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Case, CaseId, CaseState, MAX_TASKS, NewTask, TaskId, TaskKind};
    use crate::{CaseTitle, DomainError, PersonName, SeaEvent, TaskTitle};
    use time::OffsetDateTime;
    use uuid::Uuid;

    fn task(number: u128) -> NewTask {
        let title = TaskTitle::parse(&format!("task {number}")).unwrap();
        NewTask { task_id: TaskId(Uuid::from_u128(number)), kind: TaskKind::Review, title }
    }

    fn case(tasks: u128) -> Result<(Case, SeaEvent), DomainError> {
        let (id, title) = (CaseId(Uuid::from_u128(999)), CaseTitle::parse("Look at it").unwrap());
        Case::open(id, title, None, (1..=tasks).map(task).collect(), OffsetDateTime::UNIX_EPOCH)
    }

    fn complete(case: &mut Case, task: u128) -> Result<SeaEvent, DomainError> {
        let by = PersonName::parse("ada").unwrap();
        case.complete_task(TaskId(Uuid::from_u128(task)), by, OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_case_is_opened_with_no_more_than_so_many_tasks() {
        let (opened, event) = case(MAX_TASKS as u128).unwrap();
        assert_eq!((opened.open_tasks(), opened.fields().revision), (MAX_TASKS, 1));
        assert_eq!(event.case_id(), opened.fields().case_id);
        let refused = case(MAX_TASKS as u128 + 1).unwrap_err();
        assert!(matches!(refused, DomainError::Invalid { field: "tasks", .. }), "{refused}");
    }

    #[test]
    fn a_task_is_completed_once_and_the_last_one_closes_the_case() {
        let (mut case, _) = case(2).unwrap();
        for (task, left, state) in [(1, 1, CaseState::Open), (2, 0, CaseState::Closed)] {
            let SeaEvent::TaskCompleted(event) = complete(&mut case, task).unwrap() else { panic!() };
            assert_eq!((event.open_tasks, case.fields().state), (left, state));
        }
        let before = case.clone();
        assert!(matches!(complete(&mut case, 1).unwrap_err(), DomainError::AlreadyCompleted { .. }));
        assert!(matches!(complete(&mut case, 77).unwrap_err(), DomainError::UnknownTask(_)));
        assert_eq!(case, before, "a refusal changes nothing");
        assert_eq!(case.fields().revision, 3);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for kind in [TaskKind::Review, TaskKind::FollowUp] {
            assert_eq!(TaskKind::parse(kind.as_str()).unwrap(), kind);
        }
        for state in [CaseState::Open, CaseState::Closed] {
            assert_eq!(CaseState::parse(state.as_str()).unwrap(), state);
        }
        assert!(TaskKind::parse("Review").is_err() && CaseState::parse("").is_err());
    }
}
