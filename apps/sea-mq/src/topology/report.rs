use sea_mq_stream::{Object, Plan, Step, Topology, Verification};
use serde_json::{Value, json};

/// The plan as data: one entry per step.
pub(crate) fn plan_json(plan: &Plan) -> Value {
    json!({ "in_sync": plan.is_in_sync(), "steps": plan.steps.iter().map(step_json).collect::<Vec<_>>() })
}

fn step_json(step: &Step) -> Value {
    let mut entry = match step {
        Step::InSync { .. } => json!({ "action": "none" }),
        Step::Create { .. } => json!({ "action": "create" }),
        Step::Update { changes, .. } => {
            let changes: Vec<Value> = changes
                .iter()
                .map(|c| json!({ "field": c.field, "from": c.from, "to": c.to, "note": c.note }))
                .collect();
            json!({ "action": "update", "changes": changes })
        }
        Step::Refuse { field, reason, way_out, .. } => {
            json!({ "action": "refuse", "field": field, "reason": reason, "way_out": way_out })
        }
        Step::Blocked { missing_stream, .. } => json!({ "action": "wait", "missing_stream": missing_stream }),
    };
    entry["object"] = object_json(step.object());
    entry
}

fn object_json(object: &Object) -> Value {
    match object {
        Object::Stream(name) => json!({ "kind": "stream", "name": name }),
        Object::Durable { stream, name } => json!({ "kind": "durable", "stream": stream, "name": name }),
    }
}

/// The comparison in words, one line per finding.
pub(crate) fn verification_text(found: &Verification, topology: &Topology) -> String {
    if found.is_in_sync() {
        let (streams, durables) = (topology.streams.len(), topology.durables.len());
        return format!("in sync: {streams} streams, {durables} durable consumers");
    }
    let absent = found.absent.iter().map(|object| {
        format!("{object} does not exist; create it with `sea-mq topology apply` and the provisioning user")
    });
    absent.chain(found.drift.iter().map(ToString::to_string)).collect::<Vec<_>>().join("\n")
}

pub(crate) fn verification_json(found: &Verification) -> Value {
    let drift: Vec<Value> = found
        .drift
        .iter()
        .map(|d| {
            json!({ "object": object_json(&d.object), "field": d.field, "want": d.want, "have": d.have, "remedy": d.remedy })
        })
        .collect();
    let absent: Vec<Value> = found.absent.iter().map(object_json).collect();
    json!({ "in_sync": found.is_in_sync(), "absent": absent, "drift": drift })
}
