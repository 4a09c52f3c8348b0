from augment.report.fidelity import fidelity_section

ESTIMATE = {"value": 0.1, "standard_error": 0.01}
MANIFOLD = {"precision": 0.9, "recall": 0.8, "density": 1.1, "coverage": 0.7}
MEASURES = {
    "n_held_out": 60, "kid": ESTIMATE, "floor": ESTIMATE, "ceiling": ESTIMATE,
    "manifold": MANIFOLD, "copying": {"value": 0.5, "standard_error": 0.05},
}  # fmt: skip


def record_of(*classes: dict) -> dict:
    return {"network": "<i>net</i>", "wanted": "<b>gone</b>", "resolution": "32 px",
            "classes": list(classes)}  # fmt: skip


def test_the_page_names_what_could_not_be_measured_and_marks_what_gives_images_away():
    record = record_of(
        {"class": "<b>Pond", "n_synthetic": 40, "measures": None, "give_away": None},
        {"class": "Park", "n_synthetic": 40, "measures": MEASURES,
         "give_away": {"value": 0.93, "standard_error": 0.02}},
    )  # fmt: skip
    html = fidelity_section(record).html
    assert "too few real validation images" in html and "<small>too few images</small>" in html
    assert '<span class="hurt-text">0.93' in html
    assert "&lt;b&gt;Pond" in html and "&lt;i&gt;net" in html and "<b>Pond" not in html


def test_a_class_is_not_said_to_lack_real_images_where_it_has_no_synthetic_ones():
    row = {"class": "Pond", "n_synthetic": 0, "measures": None, "give_away": None}
    html = fidelity_section(record_of(row)).html
    assert "no synthetic image was accepted" in html and "too few real" not in html
