"""A simulated survey with known truth, and the demonstration that coadds it."""

from .first_light import FirstLight, first_light
from .observation import Observation
from .survey import SimulatedSurvey, SimulatedVisit, simulate_survey
from .survey_config import SurveyConfig
from .survey_files import write_survey

__all__ = [
    "FirstLight",
    "Observation",
    "SimulatedSurvey",
    "SimulatedVisit",
    "SurveyConfig",
    "first_light",
    "simulate_survey",
    "write_survey",
]
