use serde::Deserialize;

use crate::{
    ExchangeEnd, Failure, Kind, ObjectsOfKind, Observation, Response,
    parse::{name_of, parse},
};

impl Observation {
    /// The resource in the author's type.
    ///
    /// # Errors
    ///
    /// [`Failure::Invalid`] with the field's path: what the schema let through and
    /// the type does not take is for the resource's author to correct.
    pub fn resource_as<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        parse(&self.resource).map_err(Failure::invalid)
    }

    /// The observed objects of a kind in the author's type, ordered by name.
    ///
    /// # Errors
    ///
    /// [`Failure::Bug`] if the manifest does not name the kind, or an object does
    /// not fit the type; the message names object and field.
    pub fn observed_as<'a, T: Deserialize<'a>>(&'a self, kind: &Kind) -> Result<Vec<T>, Failure> {
        let of_kind = self.observed.iter().find(|entry| kind.is(&entry.kind)).ok_or_else(|| {
            Failure::bug(format!(
                "{kind} is not observed: name it in the manifest as a child or observed kind"
            ))
        })?;
        read_all(kind, &of_kind.objects)
    }

    /// How many objects of a kind are observed; 0 for a kind the manifest does not
    /// name.
    pub fn count(&self, kind: &Kind) -> usize {
        self.observed.iter().filter(|entry| kind.is(&entry.kind)).map(|entry| entry.objects.len()).sum()
    }

    /// The last state of objects of a kind that went since the last settled
    /// decision. A hint: it may lack some.
    ///
    /// # Errors
    ///
    /// [`Failure::Bug`] if an object does not fit the type.
    pub fn departed_as<'a, T: Deserialize<'a>>(&'a self, kind: &Kind) -> Result<Vec<T>, Failure> {
        let of_kind = self.departed.iter().filter(|entry: &&ObjectsOfKind| kind.is(&entry.kind));
        let mut departed = Vec::new();
        for entry in of_kind {
            departed.extend(read_all(kind, &entry.objects)?);
        }
        Ok(departed)
    }

    /// `spec.settings` of the Operlet in the author's type. Give its fields
    /// defaults: no settings are the object `{}`.
    ///
    /// # Errors
    ///
    /// [`Failure::Bug`] with the field's path.
    pub fn settings_as<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        parse(&self.settings).map_err(|error| Failure::bug(format!("settings of the Operlet: {error}")))
    }

    /// The answer to a `get`: none if it was not asked in an earlier round, and
    /// none inside if the object does not exist.
    ///
    /// # Errors
    ///
    /// [`Failure::Retry`] if the question was denied or could not be answered,
    /// [`Failure::Bug`] if it was another question or the object does not fit.
    pub fn object_answer<'a, T: Deserialize<'a>>(&'a self, id: &str) -> Result<Option<Option<T>>, Failure> {
        match self.response(id)? {
            None => Ok(None),
            Some(Response::Object(None)) => Ok(Some(None)),
            Some(Response::Object(Some(text))) => parse(text)
                .map(|object| Some(Some(object)))
                .map_err(|error| Failure::bug(format!("{} in answer {id}: {error}", name_of(text)))),
            Some(_) => Err(other_question(id)),
        }
    }

    /// The answer to a `list`; none if it was not asked in an earlier round.
    ///
    /// # Errors
    ///
    /// As [`object_answer`](Self::object_answer).
    pub fn objects_answer<'a, T: Deserialize<'a>>(&'a self, id: &str) -> Result<Option<Vec<T>>, Failure> {
        match self.response(id)? {
            None => Ok(None),
            Some(Response::Objects(texts)) => read_each(texts)
                .map(Some)
                .map_err(|(name, error)| Failure::bug(format!("{name} in answer {id}: {error}"))),
            Some(_) => Err(other_question(id)),
        }
    }

    /// How an exchange ended; none if it was not asked for in an earlier round.
    ///
    /// # Errors
    ///
    /// As [`object_answer`](Self::object_answer).
    pub fn exchange_answer(&self, id: &str) -> Result<Option<&ExchangeEnd>, Failure> {
        match self.response(id)? {
            None => Ok(None),
            Some(Response::Exchange(end)) => Ok(Some(end)),
            Some(_) => Err(other_question(id)),
        }
    }

    fn response(&self, id: &str) -> Result<Option<&Response>, Failure> {
        match self.answers.iter().find(|answer| answer.id == id).map(|answer| &answer.response) {
            Some(Response::Denied(reason)) => Err(Failure::retry(format!("{id} is denied: {reason}"))),
            Some(Response::Unavailable(reason)) => {
                Err(Failure::retry(format!("{id} cannot be answered now: {reason}")))
            }
            response => Ok(response),
        }
    }
}

fn other_question(id: &str) -> Failure {
    Failure::bug(format!("{id} was asked as another kind of question"))
}

fn read_all<'a, T: Deserialize<'a>>(kind: &Kind, texts: &'a [String]) -> Result<Vec<T>, Failure> {
    read_each(texts).map_err(|(name, error)| Failure::bug(format!("{kind} {name}: {error}")))
}

fn read_each<'a, T: Deserialize<'a>>(texts: &'a [String]) -> Result<Vec<T>, (String, String)> {
    texts.iter().map(|text| parse(text).map_err(|error| (name_of(text), error))).collect()
}
