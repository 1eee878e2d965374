//! What `lint` finds.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Doubtful,
    /// Nothing is wrong: it explains a setting.
    Note,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Doubtful => "doubtful",
            Self::Note => "note",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub line: Option<usize>,
    /// JSON Pointer in the plugin configuration, or in the document for what surrounds the
    /// configuration.
    pub pointer: Option<String>,
    pub message: String,
}

impl Finding {
    pub fn error(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, line, pointer: None, message: message.into() }
    }

    pub fn doubtful(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Doubtful, line, pointer: None, message: message.into() }
    }

    pub fn note(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, line, pointer: None, message: message.into() }
    }

    pub fn at(self, pointer: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..self }
    }
}
