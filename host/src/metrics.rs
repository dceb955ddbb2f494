//! stub
#![allow(missing_docs, clippy::unused_self)]
use crate::{exchange::Observer, model::Effect};
use std::sync::Arc;
#[derive(Clone, Default)]
pub struct Metrics;
impl Metrics {
    pub fn lease_held(&self, _: bool) {}
    pub fn lease_transitions<T>(&self, _: T) {}
    pub fn operlet(&self, _: &str) -> OperletMetrics {
        OperletMetrics
    }
}
#[derive(Clone)]
pub struct OperletMetrics;
impl OperletMetrics {
    pub fn exchange(&self, _: Effect, _: &'static str) {}
    pub fn rounds(&self, _: u32) {}
    pub fn limit_breached(&self, _: &'static str) {}
    pub fn guest_call(&self, _: &'static str, _: f64) {}
    pub fn checkpoint(&self, _: &'static str) {}
    pub fn applies_avoided(&self, _: usize) {}
    pub fn applied(&self, _: bool) {}
    pub fn deleted(&self, _: &'static str) {}
    pub fn slowed_down(&self) {}
    pub fn undisturbed(&self) {}
    pub fn reconciled(&self, _: &'static str, _: f64) {}
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(())
    }
}
